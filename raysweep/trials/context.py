"""What a sweep is of (the port `Workload`), and what all of its trials share (`TrialContext`).

They name each other, so they stand in one file. Imports no torch: the driver makes the context, and
trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from raysweep.config import Config
from raysweep.selection import Goal
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.inputs import Inputs

if TYPE_CHECKING:
    from raysweep.cluster.cluster import Resources
    from raysweep.events import Observer, TrialUpdated
    from raysweep.search.population import Population, SharedPopulation
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.checkpoints import CheckpointStore
    from raysweep.storage.journal import Journal
    from raysweep.storage.past import Past
    from raysweep.trials.gate import Gate
    from raysweep.trials.progress import Progress
    from raysweep.trials.work import Work


@dataclass(frozen=True)
class Evaluated:
    """What came after the choice. `scores`: of the winner on data that no choice has seen, by name,
    none where there are none; whether the alias `best` is the winner's now, and why, in a line;
    what the winner was made of, name → version; and the `file` in its product that a person asks
    for, if there is one."""

    scores: Mapping[str, float]
    promoted: bool
    reason: str
    artifacts: Mapping[str, str]
    file: str | None


class Prepared(Protocol):
    """What was made before the first trial, or is made when a trial asks for it."""

    @property
    def versions(self) -> Callable[[Config], Mapping[str, ArtifactVersion]]:
        """A trial's config → what it starts from, by a name of the workload's. Pickled into each
        worker, and called there."""
        ...

    @property
    def data(self) -> str | None:
        """The data that every trial uses, `name:vK`; None where there is no such thing."""
        ...

    def cached(self, observer: Observer) -> tuple[str, ...]:
        """Return the stages that were reused, when all trials have ended. `observer` is told of
        what was made meanwhile."""
        ...


class Workload(Protocol):
    """What a sweep is of. The driver asks in this order; `open` and `is_worth_another_process` are
    asked in the workers, into which it is pickled."""

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> int | None:
        """Return how many reports a trial of these values will make; None where nobody knows."""
        ...

    def most_epochs(self, config: Config) -> int | None:
        """Return the most that any trial will make; None where nobody knows."""
        ...

    def prepare(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        past: Past,
        journal: Journal,
        observer: Observer,
    ) -> Prepared:
        """Make what trials start from, but for what `past` says is made."""
        ...

    def open(self, context: TrialContext, spec: TrialSpec) -> Work:
        """Make the work of a trial. Nothing is begun: Tune prepares trials that never start."""
        ...

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether a trial that raised `error` should be tried again in another process, as
        where its process dies, rather than fail."""
        ...

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """Log what trials had not logged when their processes died at their end. A trial of which
        that fails has failed: tell `progress`."""
        ...

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> Mapping[int, str]:
        """Return the artifact that each trial, by its index, is there for: `name:vK`. A trial may
        have none."""
        ...

    def evaluate(
        self, context: TrialContext, resources: Resources, product: str | None, step: int
    ) -> Evaluated:
        """Score the winner's `product`, and move the aliases. `step` is that of what the report
        logs: it rises when the best of a sweep is chosen anew."""
        ...


@dataclass(frozen=True)
class TrialContext:
    """What all trials of a sweep share. `workload` opens them; `versions`: a trial's config → what
    it starts from, by name; `checkpoints` keeps what another process can go on from; `population`
    is whom a trial asks whether it goes on as another (population-based training); `gate` is where
    it asks whether it goes on past a bracket (early stopping in the order of the sweep);
    `precision` is what `train.precision: auto` means on every machine, None: what each machine
    makes of it; `resumed`: a run that begins may have rows of a process that the journal does not
    know."""

    workload: Workload
    sweep: SweepIdentity
    tracker: Tracker
    config: Config
    versions: Callable[[Config], Mapping[str, ArtifactVersion]]
    inputs: Inputs | Path
    metric: str
    goal: Goal
    threads: int
    gpus: float
    checkpoints: CheckpointStore
    population: Population | SharedPopulation | None = None
    gate: Gate | None = None
    precision: str | None = None
    resumed: bool = False
