"""A length of time as people write it: 90, "90s", "30m", "2h"."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from raysweep.config.explain import found, mistake

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


def _seconds(value: Any) -> float:
    seconds = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(min(value, 1e300)) if value == value else math.nan
    elif isinstance(value, str) and (written := _WRITTEN.fullmatch(value.strip())):
        seconds = float(written[1]) * _SECONDS[written[2]]
    if 0 < seconds < 1e9:  # 1e9 s: 31 years
        return seconds
    expected = "more than 0 seconds, as 90, 90s, 30m, 2h or 1d"
    raise mistake((), f"expected a time of {expected}, got {found(value)}")


Duration = Annotated[float, BeforeValidator(_seconds)]
"""Seconds, given as a number or as text with a unit."""
