"""The port between the bookkeeping of trials and what a trial does. Imports neither Ray nor torch.

`TrialSession` keeps the books of a trial over a `Work`: its run, which reports were told, its
checkpoints, how it ended. A `Workload` is chosen from the config once, in the driver, and travels
to the workers with the `TrialContext`; it opens the works.

Why the port looks like this:

- `next` has a deadline, since Tune hears of a stop only between two steps: a process that reports
  once an hour must be stopped in between. The built-in training never returns None.
- `snapshot` may be None: nobody can take the state of a process from outside. Such a work begins
  again, and the session passes over as many reports as the driver knows of.
- `ended` stands beside the report's `last`, since a process says that it is done by exiting, after
  its last report.
- An outcome is how `next` leaves: a report, None, or an exception, which fails the trial. Whether
  another process should try again (the child was killed, a device is broken) is the workload's
  answer to `is_worth_another_process`, so no exception type is shared.
- A `Work` is opened anew for each checkpoint that is tried, so `restore` needs no undo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from raysweep.cluster.cluster import Resources
    from raysweep.config import Config
    from raysweep.events import Observer, TrialUpdated
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.journal import Journal
    from raysweep.storage.past import Past
    from raysweep.storage.reading import StoredSweep
    from raysweep.tracking import ArtifactVersion, Run, Tracker
    from raysweep.tracking.identity import SweepIdentity
    from raysweep.trials.context import TrialContext
    from raysweep.trials.progress import Progress
    from raysweep.trials.reports import TrialReport

Bytes = bytes | memoryview


class Work(Protocol):
    """One trial's work, in one process. Methods are called in this order, from one thread."""

    def run_config(self) -> Mapping[str, Any]:
        """Return the config of the trial's run."""
        ...

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        """Take over what an earlier process's `snapshot` gave. Return the reports that it stands
        for; `next` gives the one after them. Called before `start`, at most once."""
        ...

    def start(self, run: Run) -> None:
        """Begin, or go on from what was restored. `run` is where to log."""
        ...

    def next(self, deadline_s: float) -> TrialReport | None:
        """Return the next report, whose rows have been logged; None where there is none within
        `deadline_s` seconds, or none any more (see `ended`).

        Whatever it raises fails the trial, with that as its cause.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether no report comes any more, as when a process has exited."""
        ...

    def snapshot(self) -> Bytes | None:
        """Return all that another process needs to go on after the latest report; None where that
        cannot be had."""
        ...

    def offer_again(self, report: TrialReport) -> None:
        """Repeat outside of this process what `report` says was done there: its population may
        not know of a member whose driver died."""
        ...

    def stop(self, grace_s: float) -> None:
        """End what still runs: ask it first, and after `grace_s` seconds end it by force. Called
        on every way out of a trial that is not done; may come twice."""
        ...

    def finish(self, *, stopped: bool) -> None:
        """Log what is left when the reports are over: artifacts, and the run's summary. `stopped`:
        the trial was ended early."""
        ...


@dataclass(frozen=True)
class PlannedStage:
    """A stage, what it makes, and the version that it would reuse (`name:vK`), if any."""

    name: str
    artifact: str
    ref: str | None


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


@dataclass(frozen=True)
class Settings:
    """What results depend on and the config leaves open.

    `values`, by name, come to the trials and into the journal's first event, beside that event's
    own keys; `notices` are what the user should know of them, a line each.
    """

    values: Mapping[str, str | None]
    notices: tuple[str, ...] = ()


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

    @property
    def cannot_clone(self) -> str | None:
        """Why no trial can continue from another's state, as population-based training asks; None
        where it can."""
        ...

    @property
    def cannot_pause(self) -> str | None:
        """Why no trial can give its worker back and continue later, as `early_terminate` in the
        order of the sweep asks: a work has no snapshot. None where it can."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the libraries that its results depend on, by name, besides those
        that every sweep depends on."""
        ...

    def settings(self, config: Config, resources: Resources, past: Past) -> Settings:
        """Return what the results depend on and the config leaves open, decided once for all trials
        of the sweep, or as `past` has it. Ray is up."""
        ...

    def grace_s(self, config: Config) -> float:
        """Return how long a work that is stopped early has before it is ended by force. At the end
        of a sweep Tune gives a trial 10 s in all; `complete` is for what is lacking then."""
        ...

    def check(self, config: Config) -> None:
        """Raise a UserError for input that no trial could run with, on whatever machine."""
        ...

    def check_here(self, config: Config) -> None:
        """Raise a UserError for what on this machine is not what the config says."""
        ...

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None:
        """Raise a UserError where a sweep that is resumed would go on from other input."""
        ...

    def planned(self, config: Config, tracker: Tracker | None) -> Sequence[PlannedStage]:
        """Return what `prepare` would make, or reuse, where that is known."""
        ...

    def absent(self, config: Config) -> str | None:
        """Return a line that says what is not there, and what would come of it; or None."""
        ...

    def at_hand(self, config: Config) -> tuple[Config, str | None]:
        """Get what is absent. Return the config with what is really there, and a warning where
        that is not what was asked for. Ray is up."""
        ...

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> int | None:
        """Return how many reports a trial of these values will make; None where nobody knows."""
        ...

    def most_epochs(self, config: Config) -> int | None:
        """Return the most that any trial will make; None where nobody knows."""
        ...

    def keeps_best(self, winner: ArtifactVersion, holder: ArtifactVersion) -> str | None:
        """Return why the alias `best` stays with its holder unless the config says otherwise, in
        one line; None where it moves to the winner."""
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
        """Score the winner's `product`, and move the aliases. `step`: that of what is logged. It
        rises when the best of a sweep is chosen anew."""
        ...
