"""What a version is called that is kept here and, maybe, in W&B: see `mirror`."""

from __future__ import annotations

from raysweep.tracking.port import ArtifactVersion

THERE = "wandb-"
"""Before W&B's version, in an alias of the version here."""

HERE = "local-"
"""Before the number of a version that W&B does not have."""


def is_version(spec: str) -> bool:
    """Whether it is `vK` and no alias."""
    return spec[:1] == "v" and spec[1:].isdecimal()


def version_there(mine: ArtifactVersion) -> str | None:
    """W&B's number `vK` of a version here; the latest one, where several were noted."""
    found = [a.removeprefix(THERE) for a in mine.aliases if a.startswith(THERE)]
    return max(found, key=lambda version: int(version[1:]), default=None)


def is_pending(version: ArtifactVersion) -> bool:
    """Whether W&B does not have it."""
    return version.version.startswith(HERE)
