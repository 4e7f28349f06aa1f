"""Which versions a trial uses: those that its own configuration asks for, each made once.

A stage of which nothing is swept has run, once, before the first trial. The others run when the
first trial asks: who knows what a sampler will suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from raysweep.config import Config
from raysweep.pipeline.cluster.nodes import on_this_node
from raysweep.pipeline.cluster.remote import as_actor, get
from raysweep.pipeline.search import space
from raysweep.pipeline.stages import stages
from raysweep.pipeline.stages.fingerprint import canonical_json
from raysweep.pipeline.stages.stages import StageOutcome, SweepIdentity
from raysweep.tracking import ArtifactVersion, Tracker


@dataclass(frozen=True)
class TrialVersions:
    """What one trial starts from: its preprocessed data and its untrained model."""

    data: ArtifactVersion
    model: ArtifactVersion


@dataclass(frozen=True)
class FixedVersions:
    """No stage depends on what is swept: every trial starts from the same versions."""

    versions: TrialVersions

    def __call__(self, config: Config) -> TrialVersions:
        return self.versions


class VersionMaker:
    """Runs each stage once for each distinct setting of the sections that it depends on."""

    def __init__(self, sweep: SweepIdentity, config: Config, done: Iterable[StageOutcome]) -> None:
        """`done`: what has run already, for the settings of `config`."""
        self._sweep = sweep
        self._tracker: Tracker | None = None
        self._outcomes = {_setting(each.stage, config): each for each in done}

    def versions(self, tracker: Tracker, config: Config) -> TrialVersions:
        """What a trial of this configuration starts from, made now unless it exists.

        The first `tracker` is kept: each that is unpickled has threads and connections of its own.
        """
        sweep = self._sweep
        tracker = self._tracker = self._tracker or tracker

        def load() -> StageOutcome:
            return stages.load(tracker, sweep, config, one_of_many=True)

        def preprocess() -> StageOutcome:
            return stages.preprocess(tracker, sweep, config, raw, one_of_many=True)

        def initialize() -> StageOutcome:
            return stages.initialize(tracker, sweep, config)

        raw = self._once("load", config, load)
        data = self._once("preprocess", config, preprocess)
        return TrialVersions(data, self._once("initialize", config, initialize))

    def outcomes(self) -> list[StageOutcome]:
        """What has been made or reused so far, in the order of the asking."""
        return list(self._outcomes.values())

    def _once(self, stage: str, config: Config, run: Callable[[], StageOutcome]) -> ArtifactVersion:
        key = _setting(stage, config)
        if key not in self._outcomes:
            self._outcomes[key] = run()
        return self._outcomes[key].artifact


class SweptVersions:
    """The trials' side of a `VersionMaker` actor: one actor, so that nothing is made twice.

    It is on the driver's machine, beside the data's files. It is handed the tracker with each call:
    an actor that holds another actor from its making on cannot be sure to be started again, of
    which Ray warns at the terminal (https://github.com/ray-project/ray/issues/53727).
    """

    def __init__(
        self, tracker: Tracker, sweep: SweepIdentity, config: Config, done: Iterable[StageOutcome]
    ) -> None:
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        actor = as_actor(VersionMaker, **lasting, **on_this_node())
        self._actor = actor.remote(sweep, config, list(done))
        self._tracker = tracker

    def __call__(self, config: Config) -> TrialVersions:
        versions: TrialVersions = get(self._actor.versions.remote(self._tracker, config))
        return versions

    def outcomes(self) -> list[StageOutcome]:
        """As VersionMaker's."""
        outcomes: list[StageOutcome] = get(self._actor.outcomes.remote())
        return outcomes


def _setting(stage: str, config: Config) -> bytes:
    """What tells one run of a stage from another in a sweep."""
    sections = space.DEPENDS[stage]
    settings = {name: getattr(config, name).model_dump(mode="json") for name in sections}
    return canonical_json({"stage": stage, **settings})
