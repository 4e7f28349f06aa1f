"""Check names of references, artifacts, aliases, runs and projects.

The rules are the stricter of Trackio's and W&B's, so that a valid name is valid in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from raysweep.errors import ArtifactNotFound, ConfigError, TrackingError

_WORD = re.compile(r"[A-Za-z0-9._-]{1,128}")
_VERSION = re.compile(r"v[0-9]+")
_PROJECT = re.compile(r"[A-Za-z0-9_-]{1,128}")

THERE = "wandb-"
"""Prefix of the alias, in the embedded store, that holds a version's number in W&B."""

_RESERVED_PREFIX = "registry-"
_RESERVED_SUFFIXES = (
    "_system",
    "_configs",
    "_traces",
    "_artifacts",
    "_artifact_versions",
    "_artifact_aliases",
    "_run_artifact_links",
    "_external_run_artifact_links",
)
"""Suffixes of Trackio's auxiliary files of a project; a test compares them with Trackio's list."""


@dataclass(frozen=True)
class Reference:
    """An artifact's name and a version spec: `v3`, or an alias such as `latest`."""

    name: str
    spec: str

    def __str__(self) -> str:
        return f"{self.name}:{self.spec}"


def parse_reference(ref: str) -> Reference:
    """Parse `name`, `name:vK` or `name:alias`; a bare name means `name:latest`.

    Raises ArtifactNotFound for anything else, which cannot name an artifact.
    """
    name, colon, spec = ref.partition(":")
    if not _WORD.fullmatch(name) or (colon and not _WORD.fullmatch(spec)):
        raise ArtifactNotFound(
            f"artifact {ref!r}: not a reference; write name, name:vK or name:alias, "
            "of letters, digits and . _ -"
        )
    return Reference(name, spec if colon else "latest")


def check_artifact_name(name: str) -> str:
    """Return the name. Raises TrackingError for one that a tracker refuses."""
    if not _WORD.fullmatch(name):
        raise TrackingError(
            f"artifact name {name!r}: use 1 to 128 letters, digits, dots, underscores and hyphens"
        )
    return name


def check_alias(alias: str) -> str:
    """Return the alias. Raises TrackingError for one that a tracker refuses."""
    if not _WORD.fullmatch(alias) or _VERSION.fullmatch(alias):
        raise TrackingError(
            f"alias {alias!r}: use 1 to 128 letters, digits, dots, underscores and hyphens, "
            "but not v and a number, which is a version"
        )
    return alias


def check_run_id(run_id: str) -> str:
    """Return the id. Raises TrackingError for one that a tracker or a file system refuses."""
    if not _WORD.fullmatch(run_id) or run_id in (".", ".."):
        raise TrackingError(
            f"run id {run_id!r}: use 1 to 128 letters, digits, dots, underscores and hyphens"
        )
    return run_id


def validate_project(project: str, where: str = "tracking.project") -> str:
    """Return the project's name. Raises ConfigError for one that a tracker refuses.

    `where` is the source of the name.

    Trackio drops other characters from its file names (`my.model` and `mymodel` would share one
    store) and reserves one prefix and some suffixes; W&B accepts at most 128 characters.
    """
    if not _PROJECT.fullmatch(project):
        raise ConfigError(
            f"{where}: {project!r} is not a valid project name; "
            "use 1 to 128 letters, digits, underscores and hyphens"
        )
    if project.startswith(_RESERVED_PREFIX):
        raise ConfigError(
            f"{where}: {project!r} begins with {_RESERVED_PREFIX!r}, "
            "which Trackio reserves; choose another name"
        )
    for suffix in _RESERVED_SUFFIXES:
        if project.endswith(suffix) and project != suffix:
            raise ConfigError(
                f"{where}: {project!r} ends with {suffix!r}, "
                "which Trackio reserves; choose another name"
            )
    return project
