"""Names of versions that are in the embedded store and maybe in W&B: see `mirror.tracker`."""

from __future__ import annotations

from raysweep.tracking.names import THERE
from raysweep.tracking.port import ArtifactVersion

HERE = "local-"
"""Prefix of the number of a version that W&B does not have."""


def is_version(spec: str) -> bool:
    """Whether it is `vK`, not an alias."""
    return spec[:1] == "v" and spec[1:].isdecimal()


def alias_of(scope: str, version: str) -> str:
    """Return the alias, here, of W&B's `version`. `scope` distinguishes servers and entities."""
    return f"{THERE}{scope}-{version}"


def version_there(local: ArtifactVersion, scope: str) -> str | None:
    """Return W&B's number `vK` of a version here; the latest one, if several were recorded."""
    prefix = alias_of(scope, "")
    found = [alias.removeprefix(prefix) for alias in local.aliases if alias.startswith(prefix)]
    return max(found, key=lambda version: int(version[1:]), default=None)


def is_pending(version: ArtifactVersion) -> bool:
    """Whether W&B does not have it."""
    return version.version.startswith(HERE)
