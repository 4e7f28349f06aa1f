"""JSON values, checked; and an artifact's metadata as JSON that is always the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from raysweep.errors import TrackingError
from raysweep.tracking.port import Json


def plain(value: Json, where: str = "metadata", *, strict: bool = True) -> Json:
    """A copy of `value` with nothing in it but JSON's own types.

    NumPy scalars become Python's, a str of a class of its own (torch.__version__ is one) a str, and
    tuples lists. NaN and the infinities, which JSON has not, become the strings "NaN", "Infinity"
    and "-Infinity", or with `strict=False` stay the floats that Python's `json` reads and writes.
    Raises TrackingError for any other type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and strict and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v, f"{where}.{k}", strict=strict) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{where}[{i}]", strict=strict) for i, v in enumerate(value)]
    raise TrackingError(
        f"{where}: {type(value).__name__} is no JSON value; "
        "use str, int, float, bool, None, list or dict"
    )


def number(value: Json) -> Json:
    """The value itself; NaN and the infinities, which trackers keep as strings, as floats."""
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def metadata_bytes(metadata: Mapping[str, Json]) -> bytes:
    """What METADATA_FILE holds: UTF-8 JSON with sorted keys, so that equal means the same bytes."""
    text = json.dumps(plain(metadata), sort_keys=True, indent=2, ensure_ascii=False)
    return f"{text}\n".encode()
