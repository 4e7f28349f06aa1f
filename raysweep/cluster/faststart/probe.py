"""Find out which of the private parts that raysweep uses the installed Ray has.

A patch that starts Ray faster is used on the Ray versions on which it was tested, unless the user
has switched the patches off (`RAYSWEEP_FAST_START=0`, or `resources.fast_start: false`). Without
them everything works, only slower. Each name and signature is checked before it is replaced, on a
tested version, too. The parts that `ray_internals` and `tune_internals` use for other purposes are
also checked; each function there documents its fallback.
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
    Missing,
    PatchName,
)

SWITCH = "RAYSWEEP_FAST_START"
"""The environment variable that switches all patches off: `0`, `false`, `no` or `off`. With `1`,
`true`, `yes` or `on`, those that apply are used on untested versions of Ray, too."""

TESTED = ("2.54.1",)
"""The Ray versions on which the whole test suite has passed with the patches."""


@dataclass(frozen=True)
class Probe:
    """The `PATCHES` and `INTERNALS` that this Ray has, and for each other one why it is missing."""

    applies: frozenset[PatchName | InternalName]
    missing: Mapping[PatchName | InternalName, str]


def switched_off() -> bool:
    """Return whether the environment switches the patches off."""
    return _switch() in ("0", "false", "no", "off")


def _switch() -> str:
    return os.environ.get(SWITCH, "").strip().lower()


def untested() -> str | None:
    """Return the line that says that the patches are not used on this version of Ray, or None."""
    import ray

    if ray.__version__ in TESTED or _switch() in ("1", "true", "yes", "on"):
        return None
    return (
        f"Ray {ray.__version__} is not one that raysweep's fast start was tested on "
        f"({', '.join(TESTED)}), so Ray starts without it: a few seconds later"
    )


def usable() -> frozenset[PatchName]:
    """Return the patches to use: none if they are switched off, or if this Ray is not tested."""
    if switched_off() or untested():
        return frozenset()
    return frozenset(name for name in PATCHES if name in probe().applies)


@cache
def probe() -> Probe:
    """Check every private name and signature that raysweep uses, on any version of Ray."""
    found = {name: _missing(name) for name in CHECKS}
    missing = {name: why for name, why in found.items() if why is not None}
    return Probe(frozenset(CHECKS.keys() - missing.keys()), missing)


def has(name: PatchName | InternalName) -> bool:
    """Check one of the private parts alone."""
    return _missing(name) is None


def _missing(name: PatchName | InternalName) -> str | None:
    """Return why this Ray lacks a private part; None where it has it."""
    try:
        CHECKS[name]()
    except (ImportError, AttributeError, TypeError, ValueError, OSError, Missing) as error:
        return str(error)
    return None
