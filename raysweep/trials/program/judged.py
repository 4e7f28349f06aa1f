"""By what the runs of a sweep are judged, as the sweep's own config has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysweep.tracking.sweeps import Metric


def metric_of(config: Mapping[str, Any]) -> Metric | None:
    """Return the metric of the raw section; None where it names none, or none that can be read. A
    goal that is not given follows from the name."""
    from pydantic import ValidationError

    from raysweep.config import Metric as Section  # here: `list` asks only where sweeps are

    if not config.get("metric"):
        return None
    try:
        section = Section.model_validate(config["metric"])
    except ValidationError:
        return None
    return Metric(section.name, section.goal)
