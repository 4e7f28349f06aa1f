"""A Trackio project on disk: its database, its lock and its folders.

Trackio itself uses one process-wide folder, fixed at import. So a process could open only one
store, and a user's own Trackio runs would be written to it. Here every call names its database; the
process-wide folder is set only for the call that makes the tables. Nothing contacts Hugging Face.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from trackio import sqlite_storage
from trackio.sqlite_storage import ProcessLock, SQLiteStorage, _configure_sqlite_pragmas

from raysweep.errors import StoreFailed, TrackingError
from raysweep.paths import safe_join
from raysweep.stderr import to_stderr
from raysweep.tracking.blobs import CHECK_DISK, blobs_folder
from raysweep.tracking.busy import SQLITE_TIMEOUT_S, Tell, patiently
from raysweep.tracking.write_behind import sync, sync_folder

T = TypeVar("T")
_process_wide = threading.Lock()
_WORTH_BYTES = 2**20


def database_file(root: Path, project: str) -> Path:
    """Return the path of a project's database. Raises UnsafeName for a link that leads out."""
    return safe_join(root, SQLiteStorage.get_project_db_filename(project))


class Database:
    """The project's files under `root`, created if they do not exist.

    Raises TrackingError, here and in every block, if the folder cannot be written or the database
    cannot be read. Waits for a lock that another process holds, and reports that to `tell`.
    """

    def __init__(self, root: Path, project: str, tell: Tell = to_stderr) -> None:
        file = SQLiteStorage.get_project_db_filename(project)
        self.path, *_ = (safe_join(root, f"{file}{end}") for end in ("", "-wal", "-shm"))
        self.media = safe_join(root, "media")  # contains one folder per project
        self.blobs = blobs_folder(root, project)
        self._lock: Any = ProcessLock(safe_join(root, f"{project}.lock"))  # which it would empty
        self._tell = tell
        self._locked = [safe_join(root, f"{project}.lock"), self.path, Path(f"{self.path}-shm")]
        self._turn = threading.Lock()  # threads queue here: Trackio's lock is polled every 100 ms
        self._threads = threading.local()
        with self.explained("open the store"):
            with self._alone(None):
                pass  # who gives up in Trackio's own call leaves the lock's file open
            self._patiently(lambda: _make_tables(root, project))
            self._opened().execute("SELECT COUNT(*) FROM configs").fetchone()

    @contextmanager
    def writing(self, what: str, patience_s: float | None = None) -> Iterator[sqlite3.Connection]:
        """Run one exclusive transaction: commit when the block ends, roll back when it raises.

        It also takes Trackio's lock, which its SDK uses when it writes to the same project. With
        `patience_s`, raises StoreBusy if another process holds a lock for longer.
        """
        with self.explained(what), self._alone(patience_s), self._opened() as connection:
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"), patience_s)
            yield connection

    @contextmanager
    def reading(self, what: str) -> Iterator[sqlite3.Connection]:
        """Read from one snapshot, concurrently with a writer."""
        with self.explained(what), self._opened() as connection:
            connection.execute("BEGIN")
            self._patiently(lambda: connection.execute("SELECT 1 FROM sqlite_master LIMIT 1"))
            yield connection

    def settle(self) -> None:
        """Fsync every transaction so far: with Trackio's settings, SQLite fsyncs its write-ahead
        log only at a checkpoint."""
        sync(self.path.with_name(f"{self.path.name}-wal"))
        sync_folder(self.path.parent)

    def compact(self) -> None:
        """Rewrite the file if a quarter of its pages is free, and a megabyte at least."""
        with self._alone(None), closing(self._connected()) as db:
            pages, free, size = (
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            if free * 4 > pages and free * size > _WORTH_BYTES:
                self._patiently(lambda: db.execute("VACUUM"))
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Convert errors of the file system, SQLite and Trackio to a TrackingError."""
        try:
            yield
        except ValueError as error:  # Trackio's own checks, such as a name with another type
            raise TrackingError(f"{self.path}: cannot {what}: {error}") from error
        except sqlite3.OperationalError as error:
            raise StoreFailed(
                f"{self.path}: cannot {what}: {error}; "
                "check that the folder is writable and its disk not full"
            ) from error
        except sqlite3.Error as error:
            raise StoreFailed(
                f"{self.path}: cannot {what}: {error}; "
                "put back a copy of the file, or choose another storage folder"
            ) from error
        except OSError as error:
            raise StoreFailed(f"{self.path}: cannot {what}: {error}; {CHECK_DISK}") from error

    @contextmanager
    def _alone(self, patience_s: float | None) -> Iterator[None]:
        """Exclude this process's other threads, then other processes."""
        with self._turn:
            self._patiently(self._take_lock, patience_s)
            try:
                yield
            finally:
                self._lock.__exit__(None, None, None)

    def _take_lock(self) -> None:
        """Try for 10 s."""
        try:
            self._lock.__enter__()
        except BaseException:  # an interruption, too
            if self._lock.lockfile is not None:  # Trackio leaves it open after a timeout
                self._lock.lockfile.close()
            raise

    def _patiently(self, attempt: Callable[[], T], patience_s: float | None = None) -> T:
        return patiently(attempt, self._locked, self._tell, patience_s)

    def _opened(self) -> sqlite3.Connection:
        return self._patiently(self._connection)

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's cached connection; as a context it commits or rolls back.

        Opening one with Trackio's settings takes as long as writing a row. When the last one
        closes, SQLite checkpoints its log, with fsyncs: 20 ms.
        """
        file = self._identity()
        kept: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if kept is None or self._threads.file != file:  # else it would write to a deleted file
            kept = self._connected()
            self._threads.connection, self._threads.file = kept, file or self._identity()
            weakref.finalize(self, kept.close)
        return kept

    def _connected(self) -> sqlite3.Connection:
        made = sqlite3.connect(self.path, timeout=SQLITE_TIMEOUT_S, check_same_thread=False)
        _configure_sqlite_pragmas(made)
        made.row_factory = sqlite3.Row
        return made

    def _identity(self) -> tuple[int, int] | None:
        """Return the identity of the file at the path now; None if there is none."""
        with suppress(FileNotFoundError):
            found = self.path.stat()
            return found.st_dev, found.st_ino
        return None


def projects(root: Path) -> list[str]:
    """List the projects in the store at `root`, by their files."""
    end = SQLiteStorage.get_project_db_filename("x").removeprefix("x")
    return sorted(path.name.removesuffix(end) for path in root.glob(f"*{end}"))


def _make_tables(root: Path, project: str) -> None:
    """Let Trackio create or migrate the project's tables."""
    module = vars(sqlite_storage)
    with _process_wide:
        folder, imported = module["TRACKIO_DIR"], SQLiteStorage._dataset_import_attempted
        module["TRACKIO_DIR"] = root
        SQLiteStorage._dataset_import_attempted = True  # else it may download from the Hub first
        try:
            SQLiteStorage.init_db(project)
        finally:
            module["TRACKIO_DIR"] = folder
            SQLiteStorage._dataset_import_attempted = imported
