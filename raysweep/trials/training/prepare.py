"""Run a training sweep's stages before its first trial: load, preprocess, initialize."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raysweep.cluster.logs import Logs, kept
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_task, wait_for
from raysweep.config import Config, DataConfig, DataTarget
from raysweep.errors import WorkerDied
from raysweep.events import Event, Observer, StageFinished, TrialUpdated
from raysweep.ml import files
from raysweep.search import space
from raysweep.stages import stages
from raysweep.stages.stages import StageOutcome
from raysweep.stages.versions import STAGE_RETRIES, FixedVersions, SweptVersions, stage_died
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity

LOOK_S = 0.2
"""How long the driver waits for what was made; who makes it may be at work on the next."""


@dataclass(frozen=True)
class PreparedTraining:
    """See Prepared."""

    versions: FixedVersions | SweptVersions
    outcomes: list[StageOutcome]
    _told: list[StageOutcome] = field(default_factory=list)
    """Of those that trials ask for, the ones that were told."""

    @property
    def data(self) -> str | None:
        """See Prepared: None where the data is swept."""
        found = (each.artifact.ref for each in self.outcomes if each.stage == "preprocess")
        return next(found, None)

    def telling(self, observer: Observer) -> Observer:
        """See Prepared."""
        versions = self.versions
        if not isinstance(versions, SweptVersions):
            return observer

        def observe(event: Event) -> None:
            if isinstance(event, TrialUpdated) and (event.epoch == 1 or event.state != "running"):
                self._tell(versions.outcomes(LOOK_S), observer)
            observer(event)

        return observe

    def _tell(self, outcomes: Sequence[StageOutcome] | None, observer: Observer) -> None:
        """Tell of those that are new, one event for all of a stage. None: it is not known yet."""
        known = len(self.outcomes) + len(self._told)
        new = [] if outcomes is None else outcomes[known:]
        self._told.extend(new)
        of_one_event: dict[tuple[str, bool], list[str]] = defaultdict(list)
        for each in new:
            of_one_event[each.stage, each.cached].append(each.artifact.ref)
        for (stage, cached), (ref, *more) in of_one_event.items():
            observer(StageFinished(stage, ref, cached, tuple(more)))

    def cached(self, observer: Observer) -> tuple[str, ...]:
        """See Prepared. A stage counts as reused if all of its versions were."""
        outcomes: Sequence[StageOutcome] = self.outcomes
        if isinstance(self.versions, SweptVersions):
            outcomes = self.versions.outcomes() or []
            self._tell(outcomes, observer)
        names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
        return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))


def prepare(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    past: Past,
    journal: Journal,
    observer: Observer,
    logs: Logs,
) -> PreparedTraining:
    """Run the stages load, preprocess and initialize as Ray tasks, each once. A stage whose
    settings are swept runs later, when a trial asks for its output.

    The tasks run one after the other, so that they share a worker and its `import torch`, which
    takes most of their time.
    """
    done = past.stages()
    outcomes: list[StageOutcome] = []

    def run(stage: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        if space.sweeps(stage, config):
            return
        if stage in done:
            ref, cached = done[stage]["ref"], done[stage]["cached"]
            outcome = StageOutcome(stage, tracker.artifact(ref), cached=cached)
            observer(StageFinished(stage, ref, cached=True))
        else:
            try:
                task = _task(kept, **options)
                outcome = wait_for(task.remote(logs, stage, call, tracker, sweep, *arguments))
            except WorkerDied as error:
                raise stage_died(stage, config) from error
            journal.write("stage", stage=stage, ref=outcome.artifact.ref, cached=outcome.cached)
            observer(StageFinished(outcome.stage, outcome.artifact.ref, outcome.cached))
        outcomes.append(outcome)

    run("load", stages.load, config, num_cpus=0, **on_this_node())
    if outcomes:
        run("preprocess", stages.preprocess, config, outcomes[0].artifact)
    common = None if space.sweeps("preprocess", config) else outcomes[-1].artifact
    run("initialize", stages.initialize, config, common)
    if len(outcomes) == len(space.DEPENDS):
        _, data, model = (outcome.artifact for outcome in outcomes)
        return PreparedTraining(FixedVersions({"data": data, "model": model}), outcomes)
    return PreparedTraining(SweptVersions(tracker, sweep, config, outcomes, logs), outcomes)


def with_data(config: Config) -> tuple[Config, str | None]:
    """Return the config with the data set that is available, under an absolute root that every
    process can use, and a warning where it is the fallback.

    A missing data set is downloaded by a task on the driver's node, where the user's files are. A
    sweep over several data sets uses no fallback: they are to be compared.
    """
    if isinstance(config.data, DataTarget):
        return config, None
    root = str(config.data.resolved_root().absolute())
    config = config.model_copy(update={"data": config.data.model_copy(update={"root": root})})
    if space.sweeps("load", config):
        for each in space.distinct(config, "data"):
            assert isinstance(each.data, DataConfig)
            _at_hand(each.data.model_copy(update={"fallback": None}))
        return config, None
    assert isinstance(config.data, DataConfig)
    data, warning = _at_hand(config.data)
    return config.model_copy(update={"data": data}), warning


def _at_hand(data: DataConfig) -> tuple[DataConfig, str | None]:
    if files.dataset_state(data.dataset, data.resolved_root()) == "present":
        return data, None
    obtained: tuple[DataConfig, str | None] = wait_for(
        as_task(stages.obtain, num_cpus=0, **on_this_node()).remote(data)
    )
    return obtained


def _task(stage: Callable[..., Any], *, num_cpus: int = 1, **options: Any) -> Any:
    """Return the Ray task for a stage. A stage that has to run on this node must not reserve a CPU:
    the head node of a cluster often offers none."""
    return as_task(stage, num_cpus=num_cpus, max_retries=STAGE_RETRIES, **options)
