"""A trial as search, Ray Tune and the driver pass it on, and the keys of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SCORE, BEST_SCORE = "score", "best_score"
"""A result's keys for the sweep's metric: in this report, and in the best one so far. All metrics
are in the report only, since a metric may have the name of one of Tune's keys."""


@dataclass(frozen=True)
class TrialSpec:
    """A trial: its index in the sweep, its swept values, and its number among the repeats of its
    configuration, from 0. `told`: the number of reports that the driver has received, if an earlier
    process had the trial; None if none had."""

    index: int
    overrides: Mapping[str, Any]
    repeat: int = 0
    told: int | None = None

    @property
    def name(self) -> str:
        """`trial-0003`: sorts as the sweep runs."""
        return f"trial-{self.index:04d}"

    def to_config(self) -> dict[str, Any]:
        """Convert to the config that Tune passes to the Trainable."""
        return {"trial": {**vars(self), "overrides": dict(self.overrides)}}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> TrialSpec:
        """Restore from `to_config`."""
        return TrialSpec(**config["trial"])

    def continued(self, told: int) -> TrialSpec:
        """Return the same trial for another process to continue."""
        return replace(self, told=told)
