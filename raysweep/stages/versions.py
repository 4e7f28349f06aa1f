"""Which versions a trial uses: those that its own configuration asks for, each made once.

A stage of which nothing is swept has run, once, before the first trial. The others run when the
first trial asks: who knows what a sampler will suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ray.exceptions import GetTimeoutError

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
"""How often a stage or the evaluation is started again where its process died. One that raises is
not: it says why."""


Versions = Mapping[str, ArtifactVersion]
"""What one trial starts from: `data`, its preprocessed data, and `model`, its untrained model."""


@dataclass(frozen=True)
class FixedVersions:
    """No stage depends on what is swept: every trial starts from the same versions."""

    versions: Versions

    def __call__(self, config: Config) -> Versions:
        return self.versions


def here(stage: Callable[..., StageOutcome], *given: Any, **options: Any) -> StageOutcome:
    """Run `stage` in this process."""
    return stage(*given, **options)


def in_a_task(stage: Callable[..., StageOutcome], *given: Any, **options: Any) -> StageOutcome:
    """Run `stage` in a process of its own on this node. Raises WorkerDied where that died, and so
    did those that were started in its place.

    It reserves no CPU: the trial that waits for it has what there is.
    """
    task = as_task(stage, num_cpus=0, max_retries=STAGE_RETRIES, **on_this_node())
    outcome: StageOutcome = get(task.remote(*given, **options))
    return outcome


def died(stage: str, config: Config) -> WorkerDied:
    """The error of a stage whose process died each time."""
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
        call: Callable[..., StageOutcome] = here,
    ) -> None:
        """`done`: what has run already, for the settings of `config`. `call` runs a stage."""
        self._sweep = sweep
        self._call = call
        self._died: set[bytes] = set()
        self._tracker: Tracker | None = None
        self._outcomes = {_setting(each.stage, config): each for each in done}

    def versions(self, tracker: Tracker, config: Config) -> Versions:
        """What a trial of this configuration starts from, made now unless it exists.

        The first `tracker` is kept: each that is unpickled has threads and connections of its own.
        """
        tracker = self._tracker = self._tracker or tracker
        given = (tracker, self._sweep, config)
        raw = self._once("load", config, stages.load, *given, one_of_many=True)
        data = self._once("preprocess", config, stages.preprocess, *given, raw, one_of_many=True)
        common = None if space.sweeps("preprocess", config) else data
        model = self._once("initialize", config, stages.initialize, *given, common)
        return {"data": data, "model": model}

    def outcomes(self) -> list[StageOutcome]:
        """What has been made or reused so far, in the order of the asking."""
        return list(self._outcomes.values())

    def _once(
        self,
        name: str,
        config: Config,
        stage: Callable[..., StageOutcome],
        *given: Any,
        **options: Any,
    ) -> ArtifactVersion:
        """A setting that kills its process is not tried for each trial that asks for it."""
        key = _setting(name, config)
        if key in self._died:
            raise died(name, config)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = self._call(stage, *given, **options)
            except WorkerDied as error:
                self._died.add(key)
                raise died(name, config) from error
        return self._outcomes[key].artifact


class SweptVersions:
    """The trials' side of a `VersionMaker` actor: one actor, so that nothing is made twice.

    Stages run in tasks that it waits for: they may be the user's own code, and take their process
    with them.

    It is on the driver's machine, with the data's files. The tracker is passed with each call: Ray
    cannot guarantee to restart an actor whose constructor arguments contain an actor handle, and
    prints a warning (https://github.com/ray-project/ray/issues/53727).
    """

    def __init__(
        self, tracker: Tracker, sweep: SweepIdentity, config: Config, done: Iterable[StageOutcome]
    ) -> None:
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        actor = as_actor(VersionMaker, **lasting, **on_this_node())
        self._actor = actor.remote(sweep, config, list(done), in_a_task)
        self._tracker = tracker

    def __call__(self, config: Config) -> Versions:
        versions: Versions = get(self._actor.versions.remote(self._tracker, config))
        return versions

    def outcomes(self, timeout_s: float | None = None) -> list[StageOutcome] | None:
        """As VersionMaker's; None where it does not answer in time, since it makes a version."""
        with suppress(GetTimeoutError):
            outcomes: list[StageOutcome] = get(self._actor.outcomes.remote(), timeout_s)
            return outcomes
        return None


def _setting(stage: str, config: Config) -> bytes:
    """What tells one run of a stage from another in a sweep."""
    sections = space.DEPENDS[stage]
    settings = {name: getattr(config, name).model_dump(mode="json") for name in sections}
    return canonical_json({"stage": stage, **settings})
