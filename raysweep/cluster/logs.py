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
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import ray
from ray.exceptions import RayError

from raysweep.cluster import signals
from raysweep.cluster.capture import copied, flush, redirected
from raysweep.cluster.faults import note_here
from raysweep.cluster.nodes import call_on_others, in_one_process
from raysweep.cluster.remote_store import RemoteStore
from raysweep.config.failure import Failure, whole
from raysweep.errors import CodeFailed
from raysweep.storage.log_file import MEGABYTE, LogFile, cut_out, write_all

TURN_S = 0.5
"""Seconds between two looks of a log's thread."""

SHIPPED_BYTES = 500_000
"""The most that a run ships in a turn: 1 MB/s."""

_ANSWER_S = 30
"""How long a shipment may take. The writer may be waiting for a lock of the store."""

_UNREAD_BYTES = 1_000_000
"""The most that `unread` returns at once."""

Answer = TypeVar("Answer")

_captured: list[Log] = []
"""What this process prints goes into the last of these."""


class Log(Protocol):
    """A run's log while the run is under way. Thread-safe."""

    def fileno(self) -> int:
        """Return a file descriptor to append to, as the stdout and stderr of a child process."""
        ...

    def write(self, text: str) -> None:
        """Append `text`, whole lines. Never raises: a log fails no run."""
        ...

    def unread(self) -> str:
        """Return what was appended since the last call, whoever wrote it; of much, the end."""
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
            _captured.append(log)
            stack.callback(_captured.remove, log)
            yield log

    def tell(self, run: str, line: str) -> None:
        """Append a line, on the driver's node: of a process that cannot do so any more."""
        with suppress(OSError):
            self._file(run).append(line.encode() + b"\n")

    def collect(self) -> None:
        """Ship what processes of other nodes had not shipped when they died; called by the
        driver."""
        call_on_others(ship_what_is_left, self)

    def send(self, run: str, data: bytes) -> None:
        """Have the writer append `data`. Raises RayError."""
        ray.get(self.store.append_log(run, data, self.most), timeout=_ANSWER_S)

    def _file(self, run: str) -> LogFile:
        return LogFile(self.folder / f"{run}.log", self.most)

    def _opened(self, run: str) -> OpenLog:
        here = self.store.shares_files
        file = self._file(run) if here else LogFile(self._spooled(run), self.most)
        try:
            return OpenLog(file, None if here else lambda data: self.send(run, data))
        except OSError:  # no room, or not writable: the run goes on without a log
            return OpenLog(LogFile(Path(os.devnull), self.most), None)

    def _spooled(self, run: str) -> Path:
        return self.spool() / "logs" / f"{run}.{os.getpid()}"


class OpenLog:
    """See Log. A thread looks after it every TURN_S: its length, and what is to be shipped."""

    def __init__(self, file: LogFile, ship: Callable[[bytes], None] | None) -> None:
        """`ship`: sends on what is in the file, which is this process's own."""
        self._log, self._most, self._ship = file, file.most, ship
        self._file = file.open()
        began = os.fstat(self._file).st_size
        self._sent = self._read = self._echoed = began
        self._flush: Callable[[], None] = lambda: None
        self._echo: int | None = None
        self._turn = threading.RLock()
        self._ended = threading.Event()
        if ship is not None:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        elif began:
            self.write(f"[raysweep: goes on in process {os.getpid()} on {socket.gethostname()}]\n")
        self._thread = threading.Thread(target=self._work, name="raysweep-log", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """See Log."""
        return self._file

    def write(self, text: str) -> None:
        """See Log."""
        with suppress(OSError):
            write_all(self._file, text.encode("utf-8", "backslashreplace"))

    def unread(self) -> str:
        """See Log."""
        self._flush()
        size = os.fstat(self._file).st_size
        start, self._read = max(self._read, size - _UNREAD_BYTES), size
        return os.pread(self._file, max(0, size - start), start).decode("utf-8", "replace")

    def follow(self, flush: Callable[[], None], echo: int | None) -> None:
        """From now on call `flush` every turn, and copy what is written to `echo`, if given."""
        self._flush, self._echo = flush, echo

    def turn(self) -> None:
        """Flush, pass on and ship what is new, and shorten the file."""
        with suppress(OSError), self._turn:
            self._flush()
            if self._echo is not None:
                self._pass_on(self._echo)
            if self._ship is None:
                before = os.fstat(self._file).st_size
                self._log.shorten(self._file)
                self._moved(before - os.fstat(self._file).st_size)
            else:
                self._ship_some()

    def close(self) -> None:
        """Ship the rest, and end the thread."""
        self._ended.set()
        self._thread.join()
        self.turn()
        with suppress(OSError):
            while self._ship is not None and self._ship_some():
                pass
            if self._ship is not None and self._sent >= os.fstat(self._file).st_size:
                self._log.path.unlink(missing_ok=True)
        os.close(self._file)

    def _work(self) -> None:
        while not self._ended.wait(TURN_S):
            self.turn()

    def _pass_on(self, echo: int) -> None:
        size = os.fstat(self._file).st_size
        while self._echoed < size:
            data = os.pread(self._file, min(1 << 20, size - self._echoed), self._echoed)
            write_all(echo, data)
            self._echoed += len(data)

    def _ship_some(self) -> bool:
        """Ship the next bytes; return whether there were any, and they arrived."""
        assert self._ship is not None
        size = os.fstat(self._file).st_size
        if size - self._sent > self._most:  # written faster than it can be shipped
            cut_out(self._file, self._sent, size - self._most // 2, _SKIPPED)
        elif self._sent > self._most:  # its disk is to be spared what has arrived
            cut_out(self._file, 0, self._sent)
            self._moved(self._sent)
        data = os.pread(self._file, SHIPPED_BYTES, self._sent)
        if not data:
            return False
        try:
            self._ship(data)
        except (RayError, TimeoutError):  # the writer is away: again, in the next turn
            return False
        self._sent += len(data)
        self._note_sent()
        return True

    def _note_sent(self) -> None:
        """For whoever collects the rest."""
        _sent_file(self._log.path).write_text(str(self._sent))

    def _moved(self, by: int) -> None:
        """`by` bytes before the end are gone."""
        if by > 0:
            self._sent, self._read = max(0, self._sent - by), max(0, self._read - by)
            self._echoed = max(0, self._echoed - by)


_SKIPPED = b"[raysweep: some lines are left out here: they came faster than 1 MB/s]\n"


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
                log.write(whole(error))
            raise


def printed() -> str:
    """Return what was written to the log that this process captures, since the last call."""
    return _captured[-1].unread() if _captured else ""


def ship_what_is_left(logs: SweepLogs) -> None:
    """Ship the spooled output of processes of this node that have died."""
    for path in sorted((logs.spool() / "logs").glob("*.*")):
        if path.suffix == ".sent":
            continue
        with path.open("r+b") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else its process lives
            with suppress(OSError, ValueError):
                file.seek(int(_sent_file(path).read_text()))
            while data := file.read(SHIPPED_BYTES):
                logs.send(path.stem, data)
            path.unlink()
            _sent_file(path).unlink(missing_ok=True)


def _sent_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sent")


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
