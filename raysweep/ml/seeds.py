"""Derive a seed for each purpose from the few seeds of a config."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_MASK = (1 << 63) - 1  # torch and Python both take a seed of 63 bits


def derive_seed(*parts: Any) -> int:
    """Hash `parts` (anything that JSON can hold) to a seed, 0 <= seed < 2**63.

    It is the first 8 bytes of the SHA-256 of the parts' JSON: the same in every process and Python
    version, unlike `hash()`. Key order does not matter; part order and type do (1 is not "1").
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") & _MASK
