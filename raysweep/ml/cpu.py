"""Detect what this machine's CPU is fast at, without torch."""

from __future__ import annotations

from pathlib import Path

_FAST_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
_CPU_FLAGS = Path("/proc/cpuinfo")


def has_fast_bf16() -> bool:
    """Return whether the CPU has bf16 instructions, by Linux's /proc/cpuinfo; false on other
    systems."""
    if not _CPU_FLAGS.is_file():
        return False
    flags = (line for line in _CPU_FLAGS.read_text().splitlines() if line.startswith("flags"))
    return not _FAST_BF16_FLAGS.isdisjoint(next(flags, "").split())
