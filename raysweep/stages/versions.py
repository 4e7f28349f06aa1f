"""Resolve the versions from which a trial starts: those for its own configuration, each made once.

A stage without swept settings has run once, before the first trial. The others run when the first
trial asks, since a sampler's suggestions are not known in advance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ray.exceptions import GetTimeoutError

from raysweep.cluster.logs import Logs, kept
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_actor, as_task, get
from raysweep.config import Config, Target
from raysweep.errors import WorkerDied
from raysweep.search import space
from raysweep.stages import stages
from raysweep.stages.fingerprint import canonical_json
from raysweep.stages.stages import StageOutcome
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity

STAGE_RETRIES = 3
"""How often a stage or the evaluation is retried after its process died. One that raises is not
retried: its error says why."""


Versions = Mapping[str, ArtifactVersion]
"""The versions from which a trial starts: `data`, preprocessed, and `model`, untrained."""


@dataclass(frozen=True)
class FixedVersions:
    """The versions where no stage depends on swept settings: the same for every trial."""

    versions: Versions

    def __call__(self, config: Config) -> Versions:
        return self.versions


def run_here(stage: Callable[..., StageOutcome], *given: Any, **options: Any) -> StageOutcome:
    """Run `stage` in this process."""
    return stage(*given, **options)


@dataclass(frozen=True)
class InATask:
    """Run a stage in a process of its own on this node, and keep its output in the sweep's logs.
    Raises WorkerDied if that process and those of all retries died.

    It reserves no CPU: the trial that waits for it may hold the last one.
    """

    logs: Logs

    def __call__(
        self, stage: Callable[..., StageOutcome], *given: Any, **options: Any
    ) -> StageOutcome:
        task = as_task(kept, num_cpus=0, max_retries=STAGE_RETRIES, **on_this_node())
        outcome: StageOutcome = get(
            task.remote(self.logs, stage.__name__, stage, *given, **options)
        )
        return outcome


def stage_died(stage: str, config: Config) -> WorkerDied:
    """Return the error for a stage whose process died in every attempt."""
    section = "model" if stage == "initialize" else "data"
    part = getattr(config, section)
    target = f", which calls {section}.target {part.target}" if isinstance(part, Target) else ""
    return WorkerDied(
        f"stage {stage}{target}: its process died {STAGE_RETRIES + 1} times: killed, or out of "
        "memory"
    )


class VersionMaker:
    """Runs each stage once for each distinct setting of the sections that it depends on."""

    def __init__(
        self,
        sweep: SweepIdentity,
        config: Config,
        done: Iterable[StageOutcome],
    ) -> None:
        """Begin with the outcomes in `done`, of stages that ran with the settings of `config`."""
        self._sweep = sweep
        self._call: Callable[..., StageOutcome] = run_here
        self._died: set[bytes] = set()
        self._tracker: Tracker | None = None
        self._outcomes = {_setting(each.stage, config): each for each in done}

    def versions(
        self,
        tracker: Tracker,
        config: Config,
        call: Callable[..., StageOutcome] = run_here,
    ) -> Versions:
        """Return the versions for a trial's configuration; make those that do not exist. `call`
        runs a stage.

        Every call uses the first `tracker`: each one that is unpickled has threads and connections
        of its own.
        """
        tracker = self._tracker = self._tracker or tracker
        self._call = call
        given = (tracker, self._sweep, config)
        raw = self._once("load", config, stages.load, *given, one_of_many=True)
        data = self._once("preprocess", config, stages.preprocess, *given, raw, one_of_many=True)
        common = None if space.sweeps("preprocess", config) else data
        model = self._once("initialize", config, stages.initialize, *given, common)
        return {"data": data, "model": model}

    def outcomes(self) -> list[StageOutcome]:
        """Return the outcomes of the stages so far, in the order in which they were asked for."""
        return list(self._outcomes.values())

    def _once(
        self,
        name: str,
        config: Config,
        stage: Callable[..., StageOutcome],
        *given: Any,
        **options: Any,
    ) -> ArtifactVersion:
        """Run the stage, or return its cached output. A setting whose process died is not tried
        again for other trials."""
        key = _setting(name, config)
        if key in self._died:
            raise stage_died(name, config)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = self._call(stage, *given, **options)
            except WorkerDied as error:
                self._died.add(key)
                raise stage_died(name, config) from error
        return self._outcomes[key].artifact


class SweptVersions:
    """The trials' handle to a `VersionMaker` actor: one actor, so that no version is made twice.

    The actor runs each stage in a task, since a stage may be the user's own code and kill its
    process.

    The actor is on the driver's node, where the data's files are. Tracker and logs are passed
    with each call: Ray cannot guarantee to restart an actor whose constructor arguments contain an
    actor handle, and prints a warning (https://github.com/ray-project/ray/issues/53727).
    """

    def __init__(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        done: Iterable[StageOutcome],
        logs: Logs,
    ) -> None:
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        actor = as_actor(VersionMaker, **lasting, **on_this_node())
        self._actor = actor.remote(sweep, config, list(done))
        self._tracker = tracker
        self._call = InATask(logs)

    def __call__(self, config: Config) -> Versions:
        versions: Versions = get(self._actor.versions.remote(self._tracker, config, self._call))
        return versions

    def outcomes(self, timeout_s: float | None = None) -> list[StageOutcome] | None:
        """Return what `VersionMaker.outcomes` returns; None if it does not answer in time, since it
        makes a version."""
        with suppress(GetTimeoutError):
            outcomes: list[StageOutcome] = get(self._actor.outcomes.remote(), timeout_s)
            return outcomes
        return None


def _setting(stage: str, config: Config) -> bytes:
    """Return the cache key of a stage: the settings on which its output depends in a sweep."""
    sections = space.DEPENDS[stage]
    settings = {name: getattr(config, name).model_dump(mode="json") for name in sections}
    return canonical_json({"stage": stage, **settings})
