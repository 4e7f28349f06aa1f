"""Print lines for the user to stderr."""

from __future__ import annotations

import sys


def to_stderr(line: str) -> None:
    """Print a line to stderr, as raysweep's."""
    print(f"raysweep: {line}", file=sys.stderr, flush=True)
