"""The logs of a sweep's runs, written from any node into the folder of the sweep.

On the driver's node a run writes straight into its log: that costs nothing, and what was written
is there though its process is killed. On another node it writes into a file of that node, from
which a thread ships what is new to the store's writer, once a second and at most SHIPPED_BYTES at a
time. So a chatty trial takes a hundredth of the writer's time, and nobody's metrics wait for it;
what it writes faster than that is shipped at its end. What a killed process had not shipped, the
driver collects.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import RayError

from raysweep.cluster import capture, signals
from raysweep.cluster.capture import copied, flush, redirected
from raysweep.cluster.faults import note_here
from raysweep.cluster.nodes import call_on_others, in_one_process
from raysweep.cluster.open_log import SHIPPED_BYTES, OpenLog, sent_file
from raysweep.cluster.remote_store import RemoteStore
from raysweep.config.failure import Failure, logged
from raysweep.errors import CodeFailed
from raysweep.storage.log_file import MEGABYTE, LogFile

_ANSWER_S = 30
"""How long a shipment may take. The writer may be waiting for a lock of the store."""

Answer = TypeVar("Answer")


class Log(Protocol):
    """A run's log while the run is under way. Thread-safe."""

    def fileno(self) -> int:
        """Return a file descriptor to append to, as the stdout and stderr of a child process."""
        ...

    def write(self, text: str) -> None:
        """Append `text`, whole lines. Never raises: a log fails no run."""
        ...

    def unread(self) -> str:
        """Return what any process has appended since the last call; of much, the end."""
        ...


class Logs(Protocol):
    """The logs of a sweep's runs. Pickles into any process of the sweep."""

    def open(self, run: str) -> AbstractContextManager[Log]:
        """Return a context manager that gives the run's Log: for output of a child process."""
        ...

    def capture(self, run: str) -> AbstractContextManager[Log]:
        """As `open`. Within it what this process prints is in the log, too."""
        ...


@dataclass(frozen=True)
class SweepLogs:
    """See Logs. `folder`: the sweep's logs, on the driver's node. `spool`: a folder of the node
    that asks. `echo`: pass on what is written to where Ray shows it (`--verbose`)."""

    store: RemoteStore
    folder: Path
    spool: Callable[[], Path]
    limit_mb: float
    echo: bool = False

    @property
    def most(self) -> int:
        """The limit in bytes."""
        return int(self.limit_mb * MEGABYTE)

    @contextmanager
    def open(self, run: str) -> Iterator[OpenLog]:
        """See Logs."""
        log = self._opened(run)
        try:
            yield log
        finally:
            log.close()

    @contextmanager
    def capture(self, run: str) -> Iterator[OpenLog]:
        """See Logs."""
        with self.open(run) as log, ExitStack() as stack:
            if in_one_process():
                stack.enter_context(copied(log.fileno()))
            else:
                out = stack.enter_context(redirected(log.fileno()))
                log.follow(flush, out if self.echo else None)
                stack.callback(log.turn)  # with what this process still holds
            stack.enter_context(capture.current(log))
            yield log

    def tell(self, run: str, line: str) -> None:
        """Append a line, on the driver's node: of a process that cannot do so any more."""
        with suppress(OSError):
            self._file(run).append(line.encode() + b"\n")

    def collect(self) -> None:
        """Ship what processes of other nodes had not shipped when they died; called by the
        driver."""
        call_on_others(ship_what_is_left, self)

    def send(self, run: str, data: bytes) -> bool:
        """Have the writer append `data`; return whether it has. It may be away."""
        try:
            ray.get(self.store.append_log(run, data, self.most), timeout=_ANSWER_S)
        except (RayError, TimeoutError):
            return False
        return True

    def _file(self, run: str) -> LogFile:
        return LogFile(self.folder / f"{run}.log", self.most)

    def _opened(self, run: str) -> OpenLog:
        here = self.store.shares_files
        file = self._file(run) if here else LogFile(self._spooled(run), self.most)
        try:
            return OpenLog(file, None if here else partial(self.send, run))
        except OSError:  # no room, or not writable: the run continues without a log
            return OpenLog(LogFile(Path(os.devnull), self.most), None)

    def _spooled(self, run: str) -> Path:
        return self.spool() / "logs" / f"{run}.{os.getpid()}"


def kept(logs: Logs, run: str, call: Callable[..., Answer], *given: Any, **options: Any) -> Answer:
    """Call `call`, and keep in the run's log what it prints, and the whole traceback of what it
    raises. The exception takes along what there is to tell of it (see `Failure`)."""
    with logs.capture(run) as log:
        try:
            return call(*given, **options)
        except BaseException as error:
            signals.note_if_quit(error)
            if not signals.is_interrupt(error):
                Failure.of(error).noted_in(error)
                if isinstance(error, CodeFailed):
                    error.log = run
                note_here(error)
                log.write(logged(error))
            raise


def ship_what_is_left(logs: SweepLogs) -> None:
    """Ship the spooled output of processes of this node that have died."""
    for path in sorted((logs.spool() / "logs").glob("*.*")):
        if path.suffix == ".sent":
            continue
        with path.open("r+b") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else its process lives
            with suppress(OSError, ValueError):
                file.seek(int(sent_file(path).read_text()))
            while (data := file.read(SHIPPED_BYTES)) and logs.send(path.stem, data):
                pass
            path.unlink()
            sent_file(path).unlink(missing_ok=True)


class NoLogs:
    """Logs that keep nothing, where no sweep is around."""

    @contextmanager
    def open(self, run: str) -> Iterator[Log]:
        """See Logs."""
        yield _Nothing()

    capture = open


class _Nothing:
    def fileno(self) -> int:
        """See Log."""
        return 1

    def write(self, text: str) -> None:
        """See Log."""

    def unread(self) -> str:
        """See Log."""
        return ""
