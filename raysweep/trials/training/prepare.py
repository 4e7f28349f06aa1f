"""What a training sweep does before its first trial: load, preprocess, initialize."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_task, wait_for
from raysweep.config import Config
from raysweep.errors import WorkerDied
from raysweep.events import Observer, StageFinished
from raysweep.search import space
from raysweep.stages import stages
from raysweep.stages.stages import StageOutcome
from raysweep.stages.versions import STAGE_RETRIES, FixedVersions, SweptVersions, died
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity


@dataclass(frozen=True)
class PreparedTraining:
    """See Prepared."""

    versions: FixedVersions | SweptVersions
    outcomes: list[StageOutcome]

    @property
    def data(self) -> str | None:
        """See Prepared: None where it is swept."""
        found = (each.artifact.ref for each in self.outcomes if each.stage == "preprocess")
        return next(found, None)

    def cached(self, observer: Observer) -> tuple[str, ...]:
        """See Prepared. A stage counts as reused when none of its versions had to be made."""
        outcomes = self.outcomes
        if isinstance(self.versions, SweptVersions):
            outcomes = self.versions.outcomes()
            for each in outcomes[len(self.outcomes) :]:
                observer(StageFinished(each.stage, each.artifact.ref, each.cached))
        names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
        return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))


def prepare(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    past: Past,
    journal: Journal,
    observer: Observer,
) -> PreparedTraining:
    """Load, preprocess, initialize: Ray tasks, each run once; a swept one when a trial asks.

    One after the other they share a process, and `import torch`, which is most of what they take.
    """
    done = past.stages()
    outcomes: list[StageOutcome] = []

    def run(stage: str, task: Any, *arguments: Any) -> None:
        if space.sweeps(stage, config):
            return
        if stage in done:
            ref, cached = done[stage]["ref"], done[stage]["cached"]
            outcome = StageOutcome(stage, tracker.artifact(ref), cached=cached)
            observer(StageFinished(stage, ref, cached=True))
        else:
            try:
                outcome = wait_for(task.remote(tracker, sweep, *arguments))
            except WorkerDied as error:
                raise died(stage, config) from error
            journal.write("stage", stage=stage, ref=outcome.artifact.ref, cached=outcome.cached)
            observer(StageFinished(outcome.stage, outcome.artifact.ref, outcome.cached))
        outcomes.append(outcome)

    run("load", _task(stages.load, num_cpus=0, **on_this_node()), config)
    if outcomes:
        run("preprocess", _task(stages.preprocess), config, outcomes[0].artifact)
    common = None if space.sweeps("preprocess", config) else outcomes[-1].artifact
    run("initialize", _task(stages.initialize), config, common)
    if len(outcomes) == len(space.DEPENDS):
        _, data, model = (outcome.artifact for outcome in outcomes)
        return PreparedTraining(FixedVersions({"data": data, "model": model}), outcomes)
    return PreparedTraining(SweptVersions(tracker, sweep, config, outcomes), outcomes)


def _task(stage: Callable[..., Any], *, num_cpus: int = 1, **options: Any) -> Any:
    """One that has to run on this node reserves no CPU: the head of a cluster often offers none."""
    return as_task(stage, num_cpus=num_cpus, max_retries=STAGE_RETRIES, **options)
