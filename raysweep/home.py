"""Set HOME for a user without one, such as a numeric user of a container."""

from __future__ import annotations

import os
from pathlib import Path


def ensure_home() -> None:
    """Set HOME to `/`, as container runtimes do, if neither HOME nor the user database has one.

    Ray Tune, torch and Trackio need it at import, and raise RuntimeError.
    """
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"
