"""Check JSON values, and serialize an artifact's metadata to canonical JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

from raysweep.errors import TrackingError
from raysweep.tracking.port import Json


def plain(value: Json, where: str = "metadata", *, strict: bool = True) -> Json:
    """Copy `value` to plain JSON types.

    NumPy scalars become Python's, subclasses of str (such as torch.__version__) become str, and
    tuples become lists. NaN and the infinities, which JSON lacks, become the strings "NaN",
    "Infinity" and "-Infinity", or with `strict=False` stay floats, which Python's `json` reads and
    writes. Raises TrackingError for any other type.
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
        f"{where}: {type(value).__name__} is not a JSON value; "
        "use str, int, float, bool, None, list or dict"
    )


def number(value: Json) -> Json:
    """Return the value; convert the strings of NaN and the infinities back to floats."""
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def metadata_bytes(metadata: Mapping[str, Json]) -> bytes:
    """Serialize METADATA_FILE: UTF-8 JSON with sorted keys, so equal metadata gives equal bytes."""
    text = json.dumps(plain(metadata), sort_keys=True, indent=2, ensure_ascii=False)
    return f"{text}\n".encode()
