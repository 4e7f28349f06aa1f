"""One trial: a process of the program, and what it logs through the endpoint."""

from __future__ import annotations

import queue
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raysweep.cluster.sending import Sent
from raysweep.config import Config
from raysweep.config.raised import cause
from raysweep.search.spec import TrialSpec
from raysweep.tracking import Run
from raysweep.tracking.endpoint import Endpoint
from raysweep.tracking.endpoint.live import LiveRun
from raysweep.tracking.store import Store
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import Inputs
from raysweep.trials.program.calls import users_folder
from raysweep.trials.program.errors import ProgramFailed
from raysweep.trials.program.folder import workdir
from raysweep.trials.program.folder.clients import OFFLINE, names_in
from raysweep.trials.program.folder.scratch import send_through
from raysweep.trials.program.folder.sent import (
    clients_folders,
    folder_here,
    is_elsewhere,
    trials_here,
)
from raysweep.trials.program.process import command
from raysweep.trials.program.process.ending import Deadline, Said, check_signal
from raysweep.trials.program.process.environ import keep_address, program_environ
from raysweep.trials.program.process.supervised import ProgramProcess
from raysweep.trials.program.scores import Scores
from raysweep.trials.reports import TrialReport

_LOOK_S = 0.2
"""Seconds between two looks at a program that is silent. Its end is seen at once."""


class ProgramWork:
    """See Work. A report is a row of history that has the sweep's metric; the last one is the run's
    summary, by which the trial is judged in the end, as in W&B."""

    def __init__(self, context: TrialContext, spec: TrialSpec, sent: Sent | None = None) -> None:
        """`sent`: the user's folder, for other nodes than the driver's."""
        self._context = context
        self._sent = sent
        self._config: Config = context.config
        self._spec = spec
        self._values = command.nested(values_of(spec), context.config.sweep.nested)
        self._heard: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()  # None: over
        self._process: ProgramProcess | None = None
        self._endpoint: Endpoint | None = None
        self._folder: Path | None = None
        self._users = Path()
        self._deadline = Deadline(None)
        self._scores = Scores(context.metric, context.goal)
        self._stopping = False
        self._goes_on = context.config.program.resume and bool(spec.told)
        self.ended = False

    def run_config(self) -> Mapping[str, Any]:
        """See Work."""
        return self._values

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        """See Work. Never called: nobody can take the state of a process from outside."""
        raise AssertionError("a program has no snapshot")

    def start(self, run: Run) -> None:
        """See Work."""
        store, project = _store_of(self._context), self._context.tracker.project
        self._run_id = run.id
        self._endpoint = Endpoint(
            lambda _: store,
            first=run.id,
            heard=lambda run_id, row: self._heard.put(row) if run_id == run.id else None,
            say=lambda line: print(f"raysweep: {line}", flush=True),
            folder=trials_here(self._context.inputs) / f".{self._spec.name}",
        )
        send_through(
            self._context.tracker, trials_here(self._context.inputs) / f".{self._spec.name}-sent"
        )
        self._users = folder_here(self._config, self._context.inputs, self._sent)
        if self._goes_on:
            for row in store.rows(run.id):  # they are the first reports; those told are passed over
                self._heard.put(row.metrics)
        self._folder = self._make_folder()
        environ = program_environ(
            self._endpoint.environ(),
            self._context.sweep.id,
            run.id,
            project,
            self._values,
            self._folder,
            self._context.threads,
        )
        environ.update(clients_folders(self._context.inputs))
        if self._goes_on:
            environ["WANDB_RESUME"] = "allow"
        sweep, program = self._config.sweep, self._config.program
        if program.folder == "own":
            keep_address(self._folder, environ)
        words = command.expand(
            sweep.command or command.DEFAULT,
            sweep.program,
            self._values,
            Path(environ["WANDB_SWEEP_PARAM_PATH"]).with_suffix(".json"),  # a file a run
            program.python,
            environ,
        )
        self._deadline = Deadline(program.timeout)
        self._process = ProgramProcess(words, self._folder, environ)
        self._process.call_at_end(lambda: self._heard.put(None))

    def next(self, deadline_s: float) -> TrialReport | None:
        """See Work."""
        until = time.monotonic() + deadline_s
        while not self.ended:
            row = self._row(max(0.0, min(_LOOK_S, until - time.monotonic())))
            if row is not None and (report := self._scores.row(row)) is not None:
                return report
            self._check_timeout()
            if row is None and self._has_ended():
                return self._last_report()
            if row is None and time.monotonic() >= until:
                return None
        return None

    def snapshot(self) -> None:
        """See Work: there is none."""

    @property
    def keeps_rows(self) -> bool:
        """See Work."""
        return self._config.program.resume

    def offer_again(self, report: TrialReport) -> None:
        """See Work: a program is in no population."""

    def stop(self, grace_s: float) -> None:
        """See Work: first by SIGINT, which Python raises as KeyboardInterrupt in the script, as the
        client does when W&B stops a run; then by SIGTERM, then by SIGKILL."""
        self._stopping = True
        if self._process is not None and self._process.exit_code is None:
            if grace_s > 0:
                self._ask_to_stop(grace_s)
            if self._process.exit_code is None and grace_s > 0:
                self._process.terminate()
            self._process.kill()
        self._close()

    def finish(self, *, stopped: bool) -> None:
        """See Work. The endpoint has logged all that the program said."""
        self._close()

    # ---- rows ----

    def _row(self, timeout_s: float) -> Mapping[str, Any] | None:
        try:
            return self._heard.get(timeout=timeout_s) if timeout_s else self._heard.get_nowait()
        except queue.Empty:
            return None

    def _last_report(self) -> TrialReport:
        """Report the run's summary, when the program is over. Raises what fails the trial."""
        assert self._endpoint is not None and self._process is not None
        self._check_exit(self._process.exit_code or 0)
        live = self._endpoint.run(self._run_id)
        if live is not None and live.exit_code:
            raise ProgramFailed(
                f"the program closed its run with exit code {live.exit_code}, and ended with 0"
            )
        self.ended = True
        report = self._scores.summary(live.summary if live else {})
        if report is None:
            raise ProgramFailed(self._no_metric(live))
        return report

    def _no_metric(self, live: LiveRun | None) -> str:
        metric = self._context.metric
        if live is None:
            why = "it never called wandb.init, or chose another server or mode disabled for itself"
            if self._folder is not None and any(self._folder.glob(f"wandb/{OFFLINE}")):
                why = "it chose mode offline for itself"
            return f"the program ended with exit code 0, and nothing knows its {metric}: {why}"
        known = ", ".join(self._scores.logged)
        return f"the program ended without a number {metric}; it logged {known or 'no number'}"

    # ---- the process ----

    def _has_ended(self) -> bool:
        """Whether the program is over, and all that it had sent was heard."""
        assert self._process is not None and self._endpoint is not None
        if self._process.exit_code is None or not self._heard.empty():
            return False
        live = self._endpoint.run(self._run_id)
        if live is not None and live.state == "running" and self._process.exit_code == 0:
            self._endpoint.close_runs(0)
        return self._heard.empty()

    def _check_exit(self, code: int) -> None:
        check_signal(code)
        if code:
            raise self._failed(code)

    def _failed(self, code: int) -> ProgramFailed:
        """Make the error, which names the exception that ended the program, and where, as far as
        its stderr tells."""
        assert self._process is not None and self._folder is not None
        folders = (self._folder, self._users)
        users = users_folder(self._config)
        said = Said.of(self._process.stderr(), folders, users, self._process.command)
        error = ProgramFailed(f"the program ended with exit code {code}{said.why}")
        said.noted_in(error, cause(error))
        return error

    def _check_timeout(self) -> None:
        if (late := self._deadline.passed()) is not None:
            raise ProgramFailed(late)

    def _ask_to_stop(self, grace_s: float) -> None:
        """Interrupt it. Where it cannot be, its client asks every 15 s whether to stop; never both:
        the second KeyboardInterrupt would end the script's own clearing up after the first."""
        assert self._endpoint is not None and self._process is not None
        live = self._endpoint.run(self._run_id)
        if not self._process.interrupt():
            if live is None or live.state != "running":
                return
            live.stop_requested.set()
        self._process.wait(grace_s)

    def _close(self) -> None:
        if self._endpoint is not None:
            if self._process is not None:
                self._process.kill()
            self._endpoint.close_runs(0 if self._stopping or self.ended else 1)
            self._endpoint.stop()
            self._endpoint = None
        if self._folder is not None and self._config.program.folder == "own":
            workdir.drop_users(self._folder, self._users, names_in(_store_of(self._context)))
            goes_on = self._config.program.resume and not self.ended
            if is_elsewhere(self._context.inputs) and not goes_on:
                shutil.rmtree(self._folder, ignore_errors=True)  # nobody could look into it
            self._folder = None

    def _make_folder(self) -> Path:
        if self._config.program.folder == "shared":
            return self._users
        make = workdir.make_again if self._goes_on else workdir.make
        return make(
            trials_here(self._context.inputs) / self._spec.name,
            self._users,
            _storage(self._context),
        )


def values_of(spec: TrialSpec) -> dict[str, Any]:
    """Return the trial's values. Repeats of a configuration differ in `seed`, if it has one."""
    values = dict(spec.overrides)
    seed = values.get("seed")
    if spec.repeat and isinstance(seed, int):
        values["seed"] = seed + spec.repeat
    return values


def _store_of(context: TrialContext) -> Store:
    store: Store = context.tracker.store  # type: ignore[attr-defined]
    return store


def _storage(context: TrialContext) -> Path | None:
    inputs = context.inputs
    return inputs.here.parent.parent.resolve() if isinstance(inputs, Inputs) else None
