"""A home for who has none: a user that only a container's number names."""

from __future__ import annotations

import os
from pathlib import Path


def ensure_home() -> None:
    """Set HOME to `/`, as container runtimes do, where neither it nor an entry of the system's list
    of users names a folder.

    Ray Tune, torch and Trackio look for it when they are imported, and raise RuntimeError.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
