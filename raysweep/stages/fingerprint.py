"""Identify a stage's output without running the stage.

A fingerprint is the SHA-256 of the stage's name, its version number, its configuration and the
digests of its inputs. It contains no path, time, host, process or callable, so that it is the same
on every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def fingerprint(
    stage: str, version: int, config: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the fingerprint of a stage's output, 64 hex digits.

    `version` has to be raised whenever the stage's code would give other bytes for the same input.
    `inputs` maps each input's name to the digest of its content.
    """
    identity = {"stage": stage, "version": version, "config": dict(config), "inputs": dict(inputs)}
    return hashlib.sha256(canonical_json(identity)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of a value: sorted keys, no spaces, UTF-8.

    Raises TypeError for a value without a stable identity (an object, a set, a NaN): its
    fingerprint would differ in the next process.
    """
    _refuse_unstable(value, "value")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _refuse_unstable(value: Any, place: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{place}: key {key!r} is not a string; JSON would rewrite it")
            _refuse_unstable(item, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _refuse_unstable(item, f"{place}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"{place}: {value} has no JSON form")
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise TypeError(f"{place}: a {type(value).__name__} has no stable identity")
