"""A trial as search, Ray Tune and the driver carry it, and the keys of what it reports to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

SCORE, BEST_SCORE = "score", "best_score"
"""Under which the sweep's metric is in a result: of this report, and of the best one so far.
Metrics themselves are in the report alone: one may have any name, also that of a key of Tune's."""


@dataclass(frozen=True)
class TrialSpec:
    """A trial: its place in the sweep, its swept values, and which of its configuration's repeats
    it is, from 0. `told`: how many reports the driver knows of, where an earlier process had the
    trial; None: none had."""

    index: int
    overrides: Mapping[str, Any]
    repeat: int = 0
    told: int | None = None

    @property
    def name(self) -> str:
        """`trial-0003`: sorts as the sweep runs."""
        return f"trial-{self.index:04d}"

    def to_config(self) -> dict[str, Any]:
        """What Tune hands to the Trainable."""
        return {"trial": {**vars(self), "overrides": dict(self.overrides)}}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> TrialSpec:
        """Read `to_config` back."""
        return TrialSpec(**config["trial"])

    def continued(self, told: int) -> TrialSpec:
        """The same trial for another process to go on with."""
        return replace(self, told=told)
