"""Which `convnet` version a trial starts from: one for each distinct architecture of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.pipeline.remote import as_actor, get
from raysweep.pipeline.stages import StageOutcome, SweepIdentity, initialize
from raysweep.tracking import ArtifactVersion, Tracker


@dataclass(frozen=True)
class OneArchitecture:
    """No field of the model is swept: every trial starts from the same version."""

    version: ArtifactVersion

    def __call__(self, model: Mapping[str, Any]) -> ArtifactVersion:
        return self.version


class Initializer:
    """Makes each architecture once, when the first trial asks: who knows what TPE will suggest."""

    def __init__(self, tracker: Tracker, sweep: SweepIdentity) -> None:
        self._tracker = tracker
        self._sweep = sweep
        self._outcomes: dict[str, StageOutcome] = {}

    def version(self, model: Mapping[str, Any]) -> ArtifactVersion:
        """The version for this model configuration, made now unless it exists."""
        key = repr(sorted(model.items()))
        if key not in self._outcomes:
            self._outcomes[key] = initialize(self._tracker, self._sweep, model)
        return self._outcomes[key].artifact

    def outcomes(self) -> list[StageOutcome]:
        """What was made or reused so far, in the order of the asking."""
        return list(self._outcomes.values())


class SweptArchitectures:
    """The trials' side of an `Initializer` actor: one actor, so that nothing is made twice."""

    def __init__(self, tracker: Tracker, sweep: SweepIdentity) -> None:
        self._actor = as_actor(Initializer, num_cpus=0).remote(tracker, sweep)

    def __call__(self, model: Mapping[str, Any]) -> ArtifactVersion:
        version: ArtifactVersion = get(self._actor.version.remote(dict(model)))
        return version

    def outcomes(self) -> list[StageOutcome]:
        outcomes: list[StageOutcome] = get(self._actor.outcomes.remote())
        return outcomes
