"""Send what programs do to W&B from a thread of its own, so that no program waits for W&B."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, RaysweepError
from raysweep.tracking.mirror.backends import Backends
from raysweep.tracking.mirror.connection import Unsent
from raysweep.tracking.mirror.names import is_pending
from raysweep.tracking.mirror.outbox import Outbox
from raysweep.tracking.mirror.run import KEPT_ELSEWHERE
from raysweep.tracking.mirror.run_files import Patience, RunFiles, emptied, taken
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import ArtifactFile, ArtifactVersion, Json, RunState
from raysweep.tracking.programs import OUTPUT, is_clients, is_programs, sent_files, spec_of
from raysweep.tracking.store import Row, Store
from raysweep.tracking.wandb.program import ProgramRun

T = TypeVar("T")

DRAIN_S = 600.0
"""How long the end of a trial waits until W&B has what its program did; `sync` sends the rest."""

_KNOCK_EVERY_S = 5.0
"""Rows go to the client's process, which does not say whether they arrive: so W&B is asked."""

INTERRUPTED_S = 30.0
"""The same at the end of a trial that was interrupted: somebody waits for that."""

_ANOTHERS_UPLOAD_S = 60.0
"""How long a use, or an alias, waits for a version that another trial's worker is still sending."""

_UPLOAD_S = 30.0
"""How long a row waits for the file of a table in it, which the program's client sends apart."""

_PAUSE_S = 0.5


@dataclass
class _Followed:
    """A run. `held`: a trial's, which its session ends, whatever its program says."""

    held: bool = False
    anew: bool = False
    remote: ProgramRun | None = None
    given_up: bool = False
    printed: bool = False
    knocked: float = 0.0
    patience: Patience = field(default_factory=lambda: Patience(_UPLOAD_S))


class Sender:
    """Sends calls to W&B, in their order. A run begins in W&B with the first that its program says
    of it. After a call that could not be sent, the rest of that run is kept here only."""

    def __init__(self, backends: Backends, say: Callable[[str], None]) -> None:
        self._backends = backends
        self._store: Store = backends.here.store
        self._say = say
        self._runs: dict[str, _Followed] = {}
        self._over: dict[str, threading.Event] = {}
        self._scratch: Path | None = None
        self._never_came: set[str] = set()
        self._outbox = Outbox(self._failed)

    # ---- called by the program's endpoint and the trial's session; none waits but `finish` ----

    def copy_into(self, folder: Path) -> None:
        """Copy what is sent into this folder, which is the sender's own, instead of the machine's
        temporary one: what a killed process leaves there goes with the sweep."""
        shutil.rmtree(folder, ignore_errors=True)
        self._scratch = folder

    def hold(self, run_id: str, *, anew: bool = False) -> None:
        """Begin a trial's run: its session will `finish` it. `anew`: rows of an earlier attempt
        that W&B has are not its own."""
        over = self._over[run_id] = threading.Event()
        self._outbox.put(run_id, partial(self._hold, run_id, over, anew))

    def describe(self, run_id: str) -> None:
        """Send the run's name, tags, notes and config."""
        self._outbox.put(run_id, partial(self._with, run_id, partial(self._describe, run_id)))

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Send rows of history."""
        self._outbox.put(run_id, partial(self._log_rows, run_id, rows))

    def summarize(self, run_id: str, summary: Mapping[str, Json]) -> None:
        """Send the run's summary."""
        self._outbox.put(run_id, partial(self._with, run_id, lambda run: run.summarize(summary)))

    def log_output(self, run_id: str, text: str) -> None:
        """Send what was printed."""
        self._outbox.put(run_id, partial(self._output, run_id, text))

    def add_files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        """Send files of the run."""
        self._outbox.put(run_id, partial(self._files, run_id, files))

    def use(self, run_id: str, version: ArtifactVersion) -> None:
        """Send that the run uses a version, which is `version` here."""
        self._outbox.put(run_id, partial(self._use, run_id, version))

    def log(self, run_id: str, version: ArtifactVersion) -> None:
        """Send a version that the run has logged here."""
        self._outbox.put(run_id, partial(self._log, run_id, version), version.name)

    def alias(self, ref: str, alias: str, *, remove: bool = False) -> None:
        """Send that an alias was set on a version here, or taken from it."""
        self._outbox.put("", partial(self._alias, ref, alias, remove), parse_reference(ref).name)

    def moves(self, name: str) -> bool:
        """Whether something that moves aliases of this artifact is still to be sent."""
        return self._outbox.moves(name)

    def end(self, run_id: str, state: RunState, error: str | None) -> None:
        """Send that the program has ended a run, unless it is a trial's."""
        self._no_more_comes(run_id)
        self._outbox.put(run_id, partial(self._end, run_id, state, error))

    def finish(self, run_id: str, state: RunState, error: str | None) -> None:
        """Send a trial's end, and wait until all was sent or the time is up."""
        self._no_more_comes(run_id)
        self._outbox.put(run_id, partial(self._finish, run_id, state, error))
        self.drain(INTERRUPTED_S if state == "interrupted" else DRAIN_S)
        self._outbox.rest()  # a worker that has had a thousand trials has no thread of each
        if self._scratch is not None:
            with suppress(OSError):  # not empty: something is still being sent
                self._scratch.rmdir()

    def drain(self, timeout_s: float = DRAIN_S) -> None:
        """Wait until all was sent, or the time is up."""
        self._outbox.drain(timeout_s)

    def url(self, run_id: str) -> str | None:
        """Return the run's URL; None before its program has begun it."""
        followed = self._runs.get(run_id)
        return followed.remote.url if followed is not None and followed.remote else None

    # ---- in the thread ----

    def _no_more_comes(self, run_id: str) -> None:
        """Note that the run's client is gone: it closes a run when its files are here."""
        if run_id in self._over:
            self._over[run_id].set()
        elif run_id in self._runs:
            self._runs[run_id].patience.over.set()

    def _failed(self, run_id: str, error: Exception) -> None:
        line = str(error) if isinstance(error, RaysweepError) else repr(error)
        self._say(f"from here on run {run_id} is kept here only, until it is synced: {line}")
        self._give_up(run_id)

    def _send(self, call: Callable[[], T], *, asks: bool = True) -> T:
        return self._backends.send(call, asks=asks)

    def _followed(self, run_id: str) -> _Followed:
        return self._runs.setdefault(run_id, _Followed())

    def _opened(self, run_id: str) -> ProgramRun | None:
        """Return the run in W&B, which begins now if it has not; None after it was given up."""
        followed = self._followed(run_id)
        if followed.remote is None and not followed.given_up:
            (record,) = self._store.runs(run_id=run_id)
            if not is_programs(record):  # no program has begun it, so W&B is not to have it
                return None
            there = self._backends.there
            run = self._send(lambda: there.start_run(spec_of(record), after=-1))
            assert isinstance(run, ProgramRun)
            followed.remote = run
            if followed.anew and run.sent >= 0:
                line = (
                    f"W&B has run {run_id} up to step {run.sent} from an attempt that was cut "
                    "short, and cannot take rows back: this attempt's appear after that step; all "
                    "of them are kept here"
                )
                self._say(line)
                self._send(lambda: run.log_output(f"raysweep: {line}\n"))
        return followed.remote

    def _with(self, run_id: str, act: Callable[[ProgramRun], object]) -> None:
        run = self._opened(run_id)
        if run is not None:
            self._send(lambda: act(run), asks=self._is_time(run_id))

    def _is_time(self, run_id: str) -> bool:
        followed, now = self._followed(run_id), time.monotonic()
        if now - followed.knocked < _KNOCK_EVERY_S:
            return False
        followed.knocked = now
        return True

    def _hold(self, run_id: str, over: threading.Event, anew: bool) -> None:
        followed = self._runs[run_id] = _Followed(held=True, anew=anew)
        followed.patience.over = over

    def _describe(self, run_id: str, run: ProgramRun) -> None:
        (record,) = self._store.runs(run_id=run_id)
        self._backends.there.describe_run(run, spec_of(record))

    def _log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        patience = self._followed(run_id).patience
        files = RunFiles(self._store, run_id, patience, self._scratch)
        for row in rows:
            self._with(run_id, partial(_log_row, row, files))

    def _output(self, run_id: str, text: str) -> None:
        followed = self._followed(run_id)
        if followed.remote is not None:
            followed.printed = True
            self._with(run_id, lambda run: run.log_output(text))

    def _files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        run, wanted = self._opened(run_id), sent_files(list(files))
        if run is None or not wanted:
            return
        RunFiles(self._store, run_id, scratch=self._scratch).sent_by(
            lambda root, names: self._send(lambda: run.log_files(root, names)), wanted
        )

    def _log(self, run_id: str, version: ArtifactVersion) -> None:
        run = self._opened(run_id)
        if run is None or is_clients(version.type):
            return
        with emptied(self._scratch) as scratch:
            files = taken(self._store, version, scratch)
            remote = self._send(lambda: run.log_version(version, files))
        self._backends.numbering.note(self._store.artifact(version.ref), remote.version)

    def _use(self, run_id: str, version: ArtifactVersion) -> None:
        run = self._opened(run_id)
        if run is None or is_clients(version.type):
            return
        ref = self._there(version.ref)
        self._send(lambda: run.use_artifact(ref))

    def _there(self, ref: str) -> str:
        """Return W&B's reference of a version here, for which another worker may still be sending
        it. Raises Unsent."""
        until = time.monotonic() + _ANOTHERS_UPLOAD_S
        while is_pending(found := self._backends.numbering.presented(self._store.artifact(ref))):
            lost = self._backends.connection.lost or self._is_given_up(found.producer)
            if lost or ref in self._never_came or time.monotonic() > until:
                self._never_came.add(ref)
                raise Unsent(f"{ref}: W&B does not have it")
            time.sleep(_PAUSE_S)
        return found.ref

    def _is_given_up(self, run_id: str | None) -> bool:
        followed = self._runs.get(run_id or "")
        return followed is not None and followed.given_up

    def _alias(self, ref: str, alias: str, remove: bool) -> None:
        local, there = self._store.artifact(ref), self._backends.there
        if is_clients(local.type):
            return
        change = there.remove_alias if remove else there.set_alias
        try:
            version = self._there(ref)
            self._send(lambda: change(version, alias))
        except (Unsent, ArtifactNotFound) as error:
            if not self._is_given_up(local.producer):  # else that was said
                self._say(f"alias {alias} of {ref} is kept here only, until it is synced: {error}")
            self._give_up(local.producer or "")

    def _end(self, run_id: str, state: RunState, error: str | None) -> None:
        if not self._followed(run_id).held:
            self._finish(run_id, state, error)

    def _finish(self, run_id: str, state: RunState, error: str | None) -> None:
        followed = self._runs.get(run_id)
        remote = followed.remote if followed is not None else None
        if followed is not None and remote is not None:
            if not followed.printed:  # by a program that runs once, or in a run beside the trial's
                text = RunFiles(self._store, run_id, scratch=self._scratch).text(OUTPUT)
                self._send(lambda: remote.log_output(text))
            self._send(lambda: remote.finish(state, error))
            if self._backends.ask(lambda: self._backends.is_there(run_id)):
                self._store.set_url(run_id, remote.url)
        self._runs.pop(run_id, None)  # not before: what fails until here closes the run in W&B
        self._over.pop(run_id, None)

    def _give_up(self, run_id: str) -> None:
        """Send nothing more of the run, and close it in W&B, so that it is not shown as running."""
        followed = self._runs.get(run_id)
        if followed is None:
            return
        remote, followed.remote, followed.given_up = followed.remote, None, True
        if remote is not None:
            self._backends.ask(lambda: remote.finish("failed", KEPT_ELSEWHERE))


def _log_row(row: Row, files: RunFiles, run: ProgramRun) -> None:
    run.log_program_row(row, files.table)
