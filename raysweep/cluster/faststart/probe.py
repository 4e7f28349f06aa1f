"""Find out which of Ray's private parts that we lean on the installed Ray has.

A patch that starts Ray sooner is used on the versions of Ray on which it was tested, and not where
the user has switched the patches off (`RAYSWEEP_FAST_START=0`, or `resources.fast_start: false`).
Without them everything works, only slower. On a tested version, too, each name and signature is
checked before it is replaced. What `ray_internals` and `tune_internals` need for something else is
checked as well; each function there says what it does without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from raysweep.cluster.faststart.checks import (
    CHECKS,
    PATCHES,
    InternalName,
    Lacking,
    PatchName,
)

SWITCH = "RAYSWEEP_FAST_START"
"""The environment variable that switches every patch off: `0`, `false`, `no` or `off`. With `1`,
`true`, `yes` or `on` those that apply are used on a version of Ray that was not tested, too."""

TESTED = ("2.54.1",)
"""The versions of Ray on which the whole suite has passed with the patches."""


@dataclass(frozen=True)
class Probe:
    """What this Ray has of `PATCHES` and `INTERNALS`, and why it has not each of the others."""

    applies: frozenset[PatchName | InternalName]
    lacking: Mapping[PatchName | InternalName, str]


def switched_off() -> bool:
    """Return whether the environment switches the patches off."""
    return _switch() in ("0", "false", "no", "off")


def _switch() -> str:
    return os.environ.get(SWITCH, "").strip().lower()


def untested() -> str | None:
    """The line that says that the patches are not used on this version of Ray, or None."""
    import ray

    if ray.__version__ in TESTED or _switch() in ("1", "true", "yes", "on"):
        return None
    return (
        f"Ray {ray.__version__} is not one that raysweep's fast start was tested on "
        f"({', '.join(TESTED)}), so Ray starts as it comes: a few seconds later"
    )


def usable() -> frozenset[PatchName]:
    """The patches to use: none where they are switched off, or this Ray is not a tested one."""
    if switched_off() or untested():
        return frozenset()
    return frozenset(name for name in PATCHES if name in probe().applies)


@cache
def probe() -> Probe:
    """Check every private name and signature that we lean on, whatever the version of Ray."""
    lacking: dict[PatchName | InternalName, str] = {}
    for name, check in CHECKS.items():
        try:
            check()
        except (ImportError, AttributeError, TypeError, ValueError, Lacking) as error:
            lacking[name] = str(error)
    return Probe(frozenset(CHECKS.keys() - lacking.keys()), lacking)
