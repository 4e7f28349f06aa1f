"""What a version is called that is kept here and, maybe, in W&B: see `mirror`."""

from __future__ import annotations

from raysweep.tracking.port import ArtifactVersion

THERE = "wandb-"
"""Begins the aliases of versions here that say which version of W&B's they are."""

HERE = "local-"
"""Before the number of a version that W&B does not have."""


def is_version(spec: str) -> bool:
    """Whether it is `vK` and no alias."""
    return spec[:1] == "v" and spec[1:].isdecimal()


def alias_of(scope: str, version: str) -> str:
    """The alias, here, of W&B's `version`. `scope` tells servers and entities apart."""
    return f"{THERE}{scope}-{version}"


def version_there(mine: ArtifactVersion, scope: str) -> str | None:
    """W&B's number `vK` of a version here; the latest one, where several were noted."""
    prefix = alias_of(scope, "")
    found = [alias.removeprefix(prefix) for alias in mine.aliases if alias.startswith(prefix)]
    return max(found, key=lambda version: int(version[1:]), default=None)


def is_pending(version: ArtifactVersion) -> bool:
    """Whether W&B does not have it."""
    return version.version.startswith(HERE)
