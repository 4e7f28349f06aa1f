"""How this command was called, for the hints that name another one."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

INSTALLED = "raysweep"
MODULE = "python -m raysweep"


def program() -> str:
    """Return what starts a command of raysweep for this caller: `raysweep`, its path where the
    shell would find another or none, or `python -m raysweep`, also where no command was called."""
    called = sys.argv[0] if sys.argv else ""
    if Path(called).name != INSTALLED:
        return MODULE
    found = shutil.which(INSTALLED)
    try:
        same = found is not None and Path(found).samefile(called)
    except OSError:  # the environment was removed meanwhile
        same = False
    return INSTALLED if same else shlex.quote(called)
