"""The port between a trial's bookkeeping and what the trial does. Imports neither Ray nor torch.

A `Work` is what one trial does. `TrialSession` does the bookkeeping around it: its run, the reports
that the driver has received, its checkpoints, how it ended. A `Workload` is what all trials of a
sweep do. The driver chooses it from the config once, and sends it to the workers with the
`TrialContext`; there it opens the works.

Why the port looks like this:

- `next` has a deadline, since Tune can stop a trial only between two steps: a process that reports
  once an hour must be stopped in between. The built-in training never returns None.
- `snapshot` may return None: the state of a process cannot be taken from outside. Such a work
  begins again, and the session skips as many reports as the driver has received.
- `ended` exists beside the report's `last`, since a process shows that it is done by exiting, after
  its last report.
- `next` has three outcomes: a report, None, or an exception, which fails the trial. Whether another
  process should retry (the child was killed, a device is broken) is the workload's answer to
  `is_worth_another_process`, so the two sides share no exception type.
- The session opens a new `Work` for each checkpoint that it tries, so `restore` needs no undo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from raysweep.cluster.logs import Logs
    from raysweep.cluster.resources import Resources
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
    """One trial's work, in one process. The session calls the methods in this order, from one
    thread."""

    def run_config(self) -> Mapping[str, Any]:
        """Return the config of the trial's run."""
        ...

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        """Load the state that `snapshot` returned in an earlier process. Return the reports made
        until then; `next` gives the one after them. Called before `start`, at most once."""
        ...

    def start(self, run: Run) -> None:
        """Begin, or continue from the restored state. Log to `run`."""
        ...

    def next(self, deadline_s: float) -> TrialReport | None:
        """Return the next report, after logging its rows; None where none comes within `deadline_s`
        seconds, or no further one comes (see `ended`).

        Any exception fails the trial, and is recorded as its cause.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether no further report comes, as when a process has exited."""
        ...

    def snapshot(self) -> Bytes | None:
        """Return the state from which another process can continue after the latest report; None
        where the work cannot give it."""
        ...

    @property
    def keeps_rows(self) -> bool:
        """Whether the run's rows are the work's own beginning when it goes on after a cut, without
        a snapshot."""
        ...

    def offer_again(self, report: TrialReport) -> None:
        """Offer the report's member to the population again: the population may have lost it when
        the driver died."""
        ...

    def stop(self, grace_s: float) -> None:
        """Stop what still runs: ask it to end, and kill it after `grace_s` seconds. Called however
        a trial ends before it is done. Idempotent."""
        ...

    def finish(self, *, stopped: bool) -> None:
        """Log the artifacts and the run's summary, after the last report. `stopped`: the trial was
        stopped early."""
        ...


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a sweep would run. `artifact`: the name of its output. `ref`: the version that
    it would reuse (`name:vK`), if any."""

    name: str
    artifact: str
    ref: str | None


@dataclass(frozen=True)
class Evaluated:
    """The evaluation of the winner.

    scores: by name, on data that no choice was based on; may be empty.
    promoted, reason: whether the alias `best` points to the winner now, and why, in one line.
    artifacts: what the winner was made from, name → version.
    file: the file in its product that a person wants, if there is one; empty: all of them.
    products: all that the winner made, where that is more than its product.
    """

    scores: Mapping[str, float]
    promoted: bool
    reason: str
    artifacts: Mapping[str, str]
    file: str | None
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What results depend on and the config leaves open.

    `values`, by name, come to the trials and into the journal's first event, beside that event's
    own keys; `notices` are what the user should know of them, a line each.
    """

    values: Mapping[str, str | None]
    notices: tuple[str, ...] = ()


class Prepared(Protocol):
    """The inputs of trials: made before the first trial, or on demand when a trial asks."""

    @property
    def versions(self) -> Callable[[Config], Mapping[str, ArtifactVersion]]:
        """A function: a trial's config → the versions it starts from, by names that the workload
        chooses. It is pickled into each worker, and called there."""
        ...

    @property
    def data(self) -> str | None:
        """The data that every trial uses, `name:vK`; None where there is no such version."""
        ...

    def telling(self, observer: Observer) -> Observer:
        """Return an observer for the time of the trials, which tells `observer` of each event, and
        before a trial's first report of what was made for trials meanwhile."""
        ...

    def cached(self, observer: Observer) -> tuple[str, ...]:
        """Return the names of the stages that were reused. Called when all trials have ended.
        Notify `observer` of the versions that were made on demand, and not told of yet."""
        ...


class Workload(Protocol):
    """The kind of work that a sweep's trials do. The driver calls the methods in this order. `open`
    and `is_worth_another_process` are called in the workers, into which it is pickled."""

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
        """Raise a UserError for input with which no trial could run, on any machine."""
        ...

    def check_here(self, config: Config) -> None:
        """Raise a UserError where something on this machine contradicts the config."""
        ...

    def check_sent(self, config: Config) -> None:
        """Raise a UserError where something on this machine that trials need cannot be sent to the
        nodes of a cluster."""
        ...

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None:
        """Raise a UserError where a resumed sweep would continue with different input."""
        ...

    def planned(self, config: Config, tracker: Tracker | None) -> Sequence[PlannedStage]:
        """Return the stages that `prepare` would run or reuse, as far as that is known."""
        ...

    def absent(self, config: Config) -> str | None:
        """Return a line that says which input is missing, and what a run would do about it; or
        None."""
        ...

    def at_hand(self, config: Config) -> tuple[Config, str | None]:
        """Obtain missing input, such as a data set. Return the config with the input that is there
        now, and a warning where that differs from what the config asked for. Called after Ray has
        started."""
        ...

    def send(self, config: Config) -> None:
        """Send what trials need of this machine, and the store has not, to the nodes of the
        cluster; `open` finds it there. Called where Ray has, or may get, other nodes."""
        ...

    def pack(self, config: Config, folder: Path) -> Config:
        """Write what trials need of this machine into `folder`, the working folder of a job, and
        return the config of a sweep that is run there, after `unpacking`."""
        ...

    def unpacking(self, config: Config) -> str | None:
        """Return the shell command with which a job unpacks what `pack` wrote; None without."""
        ...

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> int | None:
        """Return how many reports a trial with these values will make; None where that is not
        known."""
        ...

    def most_epochs(self, config: Config) -> int | None:
        """Return the most reports that any trial will make; None where that is not known."""
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
        logs: Logs,
    ) -> Prepared:
        """Make the inputs of trials, except those that `past` records as made. What is made keeps
        its output in `logs`."""
        ...

    def open(self, context: TrialContext, spec: TrialSpec) -> Work:
        """Create the work of a trial, without starting it: Tune sets up trials that never start."""
        ...

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether a trial that raised `error` should be retried in another process, as after
        the death of its process, rather than fail."""
        ...

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """Log what ended trials have not logged because their processes died. Where that fails,
        record the trial as failed in `progress`."""
        ...

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> Mapping[int, str]:
        """Return the main artifact of each trial, `name:vK`, by the trial's index. A trial may have
        none."""
        ...

    def evaluating(self, config: Config) -> str | None:
        """Return what `evaluate` does to the winner, as in `evaluating trained-model:v3`; None
        where it does nothing that takes time."""
        ...

    def evaluate(
        self,
        context: TrialContext,
        resources: Resources,
        trial: str,
        product: str | None,
        step: int,
    ) -> Evaluated:
        """Score the `product` of the winning `trial`, and move the aliases. Log at `step`, which
        rises when the best of a sweep is chosen again."""
        ...
