"""What raysweep itself says in a run's summary, beside the run's metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_OWN = "raysweep/"


def beside(metrics: Collection[str], own: Mapping[str, Any]) -> dict[str, Any]:
    """What raysweep itself says in a trial's summary, beside its metrics. Where one of them has the
    same name, `stopped` for one, raysweep's own is `raysweep/stopped`."""
    return {f"{_OWN}{key}" if key in metrics else key: value for key, value in own.items()}


def said(summary: Mapping[str, Any], key: str) -> Any:
    """What raysweep itself said under `key` of a summary; None for nothing. See `beside`."""
    return summary.get(f"{_OWN}{key}", summary.get(key))
