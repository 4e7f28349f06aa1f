"""The bookkeeping of one trial: its run, its reports, its checkpoints and its end.

Plain Python, without torch: the trial's `Work` does the rest. `trainable` wraps the session for Ray
Tune; a test can step it by hand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace

from raysweep.cluster import signals
from raysweep.cluster.logs import Log
from raysweep.cluster.signals import is_interrupt
from raysweep.config.failure import Failure, logged
from raysweep.config.raised import whole_cause
from raysweep.errors import StoreFailed, TrackingError
from raysweep.search.spec import TrialSpec
from raysweep.tracking import Run, RunState
from raysweep.tracking.port import STALE_ERRORS
from raysweep.trials.context import TrialContext
from raysweep.trials.reports import TrialReport
from raysweep.trials.work import Work, Workload

PATIENCE_S = 60.0
"""How long a caller without other duties waits for a report before it asks again."""


class TrialSession:
    """A trial in progress: `advance` gets its next report, `close` ends it early.

    The run starts with the first `advance`, not before: Ray Tune sets up actors that it never uses.

    After each report (or each `resources.checkpoint_every`) the session saves a checkpoint, before
    it passes the report to the driver. A process that resumes from it continues the same run. It
    first passes on the reports that the driver has not received. Rows that were logged after the
    checkpoint are dropped and logged again. Where the driver has received reports that no usable
    checkpoint contains, the work makes them again, from the last usable checkpoint or from the
    beginning, and the session does not pass them on a second time.
    """

    def __init__(self, workload: Workload, context: TrialContext, spec: TrialSpec) -> None:
        self._workload = workload
        self._context = context
        self._spec = spec
        self._name = spec.name
        self._grace_s = workload.grace_s(context.config)
        self._told = spec.told or 0
        self._run: Run | None = None
        self._work: Work | None = None
        self._reports: list[TrialReport] = []
        self._closed = False
        self._log: Log | None = None
        self._captured = ExitStack()

    def step(self) -> dict[str, float]:
        """Wait for the next report, and return its metrics. Raises what `advance` raises."""
        while not self.advance(PATIENCE_S):
            assert not self.done, "no report comes any more"
        return dict(self.report.metrics)

    def advance(self, deadline_s: float) -> bool:
        """Return whether there is another report; False where none came within `deadline_s`
        seconds, or no further one comes (see `done`). The last one also finishes the trial.

        Any exception ends the run as failed, with its cause and place, and is raised again: the
        user's own parts may raise anything. Only a signal ends the run in another state.
        """
        try:
            reported = self._advance(time.monotonic() + deadline_s)
            self._show_printed()
            return reported
        except BaseException as error:
            signals.note_if_quit(error)
            if isinstance(error, Exception) and signals.interrupted():  # only in local mode
                self._end("interrupted", STALE_ERRORS["interrupted"])
                raise KeyboardInterrupt from error
            if not is_interrupt(error):
                self._fail(error)
            elif isinstance(error, KeyboardInterrupt):  # local mode: else only the driver gets it
                self._end("interrupted", STALE_ERRORS["interrupted"])
            elif self._work is not None:
                self._work.stop(0.0)
            raise

    def close(self) -> None:
        """End the trial now. One that is stopped early logs what it has."""
        if self._run is not None and not self._closed:
            try:
                self._finish(stopped=not self.done)
                self._context.checkpoints.forget(self._name)
            except BaseException as error:
                if not is_interrupt(error):
                    self._fail(error)
                raise

    def pause(self) -> None:
        """Interrupt the trial. Any process can continue it from its last checkpoint."""
        self._end("interrupted", STALE_ERRORS["interrupted"])

    def close_again(self) -> None:
        """Finish a trial that had ended, but whose process died before it had logged everything."""
        work = self._open()
        while len(self._reports) < self._told and not work.ended:
            self._take(work, PATIENCE_S)
        self.close()

    @property
    def report(self) -> TrialReport:
        """The report that `advance` reached last."""
        return self._reports[self._told - 1]

    @property
    def best(self) -> Mapping[str, float]:
        """The metrics of the best report so far. While the work makes reports again, only those
        that it has made count."""
        reports = self._reports[: self._told]
        return (reports[-1].best or {}) if reports else {}

    @property
    def told(self) -> int:
        """How many reports the driver has received."""
        return self._told

    @property
    def work(self) -> Work | None:
        """The trial's work; None before the first `advance`."""
        return self._work

    @property
    def done(self) -> bool:
        """Whether the work is over and the driver has received all of its reports."""
        if self._told < len(self._reports):
            return False
        last = bool(self._reports) and self._reports[-1].last
        return last or (self._work is not None and self._work.ended)

    def _advance(self, until: float) -> bool:
        work, known = self._open(), len(self._reports)
        while len(self._reports) <= self._told:  # skip reports that the driver has already
            if not self._take(work, max(0.0, until - time.monotonic())):
                if self.done:
                    self._finish(stopped=False)
                return False
        report = self._reports[self._told]
        if self._told < known and report.member is not None:
            work.offer_again(report)
        self._told += 1
        if self.done:
            self._reports[-1] = replace(self.report, last=True)  # the work ended after it
            self._finish(stopped=False)
        return True

    def _take(self, work: Work, deadline_s: float) -> bool:
        """Take the work's next report, and checkpoint after it if the work can. Return whether a
        report came in time."""
        report = work.next(deadline_s)
        if report is None:
            return False
        self._reports.append(report)
        count = len(self._reports)
        if count % self._context.config.resources.checkpoint_every == 0:
            state = work.snapshot()
            if state is not None:
                self._context.checkpoints.keep(self._name, count, state)
        return True

    def _open(self) -> Work:
        if self._work is None:
            self._log = self._captured.enter_context(self._context.logs.capture(self._name))
            work = self._restored()
            begun = self._spec.told is not None or self._context.resumed
            step = self._reports[-1].examples if self._reports else -1
            run = self._context.sweep.run(self._name, "train", work.run_config())
            if self._context.config.program.resume and self._told:
                begun = False  # its rows stay: the program goes on after them
            self._run = self._context.tracker.start_run(run, after=step if begun else None)
            self._work = work
            work.start(self._run)
        return self._work

    def _restored(self) -> Work:
        """Open the work from its last usable checkpoint; where there is none, from the beginning.

        A power cut may lose rows of the run that were logged before a checkpoint. Such a checkpoint
        is not usable: the rows would be missing for good.
        """
        open_work = self._workload.open
        if self._spec.told is not None:
            for state in self._context.checkpoints.usable(self._name):
                work = open_work(self._context, self._spec)
                reports = list(work.restore(state))
                if self._has_rows_to(reports[-1].examples):
                    self._reports = reports
                    return work
        return open_work(self._context, self._spec)

    def _has_rows_to(self, step: int) -> bool:
        """Return whether the run has all rows up to `step`. It has if it has that of `step`: a
        report's last row is logged before the report, and rows are only lost from the end."""
        try:
            history = self._context.tracker.history(self._context.sweep.run_id(self._name))
        except StoreFailed:
            raise
        except TrackingError:  # no such run
            return False
        return any(row["step"] == step for row in history)

    def _finish(self, *, stopped: bool) -> None:
        assert self._work is not None
        if stopped:
            self._work.stop(self._grace_s)
        self._work.finish(stopped=stopped)
        self._end("finished")

    def _fail(self, error: BaseException) -> None:
        """End the run as failed, with the whole traceback in the log, once."""
        Failure.of(error).noted_in(error)
        if self._log is not None:
            self._log.write(logged(error))
        self._end("failed", whole_cause(error))

    def _show_printed(self) -> None:
        """Have the run's page show what was printed, where a server has one."""
        if self._run is not None and self._log is not None and self._run.url is not None:
            self._run.log_output(self._log.unread())

    def _end(self, state: RunState, error: str | None = None) -> None:
        with self._captured:
            self._end_captured(state, error)

    def _end_captured(self, state: RunState, error: str | None) -> None:
        self._closed = True
        try:
            if self._work is not None and state != "finished":
                self._work.stop(self._grace_s if state == "interrupted" else 0.0)
        finally:
            if self._run is not None:
                self._show_printed()
                with nullcontext() if error is None else suppress(TrackingError):
                    self._run.finish(state, error)  # report the first error, not this one
