"""The error of a sweep that the user's own code ended: what it raised, where, and how to go on."""

from __future__ import annotations

from raysweep.cluster.faults import taken_here
from raysweep.config.failure import Failure, unpickled
from raysweep.errors import CodeFailed, SweepFailed
from raysweep.search.failures import FailedFast


def of_code(error: CodeFailed, logs: str, again: str) -> SweepFailed:
    """A stage or the evaluation raised. `logs`: the command that shows a log, without the run;
    `again`: the one that goes on."""
    see = "" if error.log is None else f"; see {logs} {error.log}"
    return _made(f"{error}{see}; mend it, and go on: {again}", Failure.of(error), error.raised)


def of_first_trial(error: FailedFast, logs: str, again: str) -> SweepFailed:
    """A trial failed, and the first one that does ends the sweep. The arguments are `of_code`'s."""
    message = (
        f"{error}, and --fail-fast ended the sweep; see {logs} {error.trial}; mend it, and go on: "
        f"{again} --retry-failed"
    )
    return _made(message, error.failure, unpickled(error.raised))


def _made(message: str, failure: Failure, raised: BaseException | None) -> SweepFailed:
    """With what was raised as its cause. In local mode that is the very exception, and the error
    has its frames: a debugger's post-mortem is at the line that raised it."""
    failed = SweepFailed(message)
    failed.traceback = failure.traceback
    here = taken_here()
    if here is not None:
        here = here.__cause__ if isinstance(here, CodeFailed) and here.__cause__ else here
        failed.__traceback__ = here.__traceback__
    failed.__cause__ = here or raised
    return failed
