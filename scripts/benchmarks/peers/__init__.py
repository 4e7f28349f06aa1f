"""The contenders: programs that take their settings as JSON and print figures as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any


def settings() -> dict[str, Any]:
    """Parse the settings from the command line."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def print_figures(**figures: Any) -> None:
    """Print the figures as the last line of stdout."""
    print("\n" + json.dumps(figures), flush=True)
