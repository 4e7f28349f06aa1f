"""The port between the bookkeeping of trials and what a trial does. Imports neither Ray nor torch.

`TrialSession` keeps the books of a trial over a `Work`: its run, which reports were told, its
checkpoints, how it ended. A `Workload` (see `context`) is chosen from the config once, in the
driver, and travels to the workers in the `TrialContext`; it opens the works.

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

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from raysweep.tracking import Run
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
