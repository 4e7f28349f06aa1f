"""What can go wrong, as a tree.

RaysweepError              any failure raysweep explains in one line; exit code 1
├── UserError              the input is wrong and the user can mend it; exit code 2
│   ├── ConfigError        a key, type, value or file of the configuration
│   ├── DataError          the data set's files: missing, truncated, unreadable
│   ├── UnsafeName         a name in a storage or an artifact that leads out of its folder
│   └── TrackerRefused     the tracker that was chosen cannot be had: its server, its key
├── TrackingError          the tracker could not do what was asked
│   ├── StoreFailed        the embedded store cannot be read or written: its disk, its database
│   │   └── StoreBusy      another process holds its lock
│   ├── ArtifactNotFound   no such artifact, version or alias
│   └── ArtifactCorrupt    bytes on disk differ from the digest they were logged with
├── StorageFailed          the disk is full, or cannot be written: the sweep stopped, to be resumed
├── WorkerDied             a process of the sweep is gone: killed, or out of memory
├── SweepFailed            the sweep ran and there is no best
├── JobFailed              a submitted sweep's job did not end well; the job's exit code
└── Interrupted            the user stopped the sweep; exit code 130

A message says what is wrong, where, what was found, and what to do about it.
"""

from __future__ import annotations


class RaysweepError(Exception):
    """A failure that raysweep explains in one line. Raised directly by nothing."""

    exit_code = 1


class UserError(RaysweepError):
    """The input is wrong, and the message tells the user how to mend it."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a type, a value or a file of the configuration."""


class DataError(UserError):
    """The data set's files are missing, truncated or unreadable."""


class UnsafeName(UserError):
    """A stored name, or a link, would have led out of the folder that it belongs to."""


class TrackerRefused(UserError):
    """The chosen tracker cannot be had: no server answers, or it refuses the key."""


class TrackingError(RaysweepError):
    """The tracker could not do what was asked."""


class StoreFailed(TrackingError):
    """The embedded store cannot be read or written, by what the disk or SQLite says."""


class StoreBusy(StoreFailed):
    """Another process holds a lock of the embedded store, and there was no more time to wait."""


class ArtifactNotFound(TrackingError):
    """No artifact, version or alias of that name; the user named it, so exit code 2."""

    exit_code = 2


class ArtifactCorrupt(TrackingError):
    """Bytes on disk differ from the digest that they were logged with."""


class StorageFailed(RaysweepError):
    """The sweep could not go on recording what it does. What it recorded can be gone on with."""


class WorkerDied(RaysweepError):
    """A process of the sweep is gone: killed, or out of memory."""


class SweepFailed(RaysweepError):
    """The sweep ran to its end and there is no best: every trial failed."""


class JobFailed(RaysweepError):
    """A submitted sweep's job did not end well, or cannot be followed any more."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(RaysweepError):
    """The user stopped the sweep. What had finished is kept."""

    exit_code = 130
