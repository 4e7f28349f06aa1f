"""The tree of errors.

RaysweepError              any failure that raysweep explains in one line; exit code 1
├── UserError              the input is wrong and the user can correct it; exit code 2
│   ├── ConfigError        a key, type, value or file of the configuration
│   ├── DataError          the data set's files: missing, truncated, unreadable
│   ├── UnsafeName         a name in a storage or an artifact that leads out of its folder
│   └── TrackerRefused     the chosen tracker is unavailable: its server, its key
├── TrackingError          a call of the tracker failed
│   ├── StoreFailed        the embedded store cannot be read or written: its disk, its database
│   │   └── StoreBusy      another process holds its lock
│   ├── ArtifactNotFound   no such artifact, version or alias
│   ├── ArtifactDropped    a version whose bytes were dropped, as the user asked
│   ├── BytesLacking       bytes of a version to be logged are not there: stage them again
│   └── ArtifactCorrupt    bytes on disk differ from the digest they were logged with
├── StorageFailed          the disk is full or not writable: the sweep stopped and can be resumed
├── WorkerDied             a process of the sweep died: killed, or out of memory
├── CodeFailed             the user's own code raised: a data set, a network, an evaluation
├── SweepFailed            the sweep ran and has no best
├── JobFailed              a submitted sweep's job failed; the job's exit code
├── CommandFailed          a command under `exec` failed; the command's exit code
└── Interrupted            the user stopped the sweep; exit code 130

A message says what is wrong, where, what was found, and what to do about it.
"""

from __future__ import annotations


class RaysweepError(Exception):
    """A failure that raysweep explains in one line. Never raised directly."""

    exit_code = 1


class UserError(RaysweepError):
    """The input is wrong, and the message says how to correct it."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a type, a value or a file of the configuration."""


class DataError(UserError):
    """The data set's files are missing, truncated or unreadable."""


class UnsafeName(UserError):
    """A stored name, or a link, would lead out of the folder that it belongs to."""


class TrackerRefused(UserError):
    """The chosen tracker is unavailable: no server answers, or it refuses the key."""


class TrackingError(RaysweepError):
    """A call of the tracker failed."""


class StoreFailed(TrackingError):
    """The embedded store cannot be read or written: an error of the disk or SQLite."""


class StoreBusy(StoreFailed):
    """Another process holds a lock of the embedded store, and the wait timed out."""


class ArtifactNotFound(TrackingError):
    """No artifact, version or alias of that name; the user named it, so exit code 2."""

    exit_code = 2


class ArtifactDropped(TrackingError):
    """A version whose bytes were dropped (`tracking.keep`, `remove --force`); its record stays."""

    exit_code = 2


class BytesLacking(TrackingError):
    """Bytes of a version that is to be logged were not staged, or were removed since."""


class ArtifactCorrupt(TrackingError):
    """Bytes on disk differ from the digest that they were logged with."""


class StorageFailed(RaysweepError):
    """The sweep can no longer be recorded. It can be resumed from what was recorded."""


class WorkerDied(RaysweepError):
    """A process of the sweep died: killed, or out of memory."""


class CodeFailed(RaysweepError):
    """The user's own code raised. `raised` is what it raised, where that can be pickled; `log` is
    the run whose log has the whole traceback. `printed`: see `config.failure.logged`."""

    raised: BaseException | None = None
    log: str | None = None
    printed = False


class SweepFailed(RaysweepError):
    """The sweep ended without a best: every trial failed, or a stage or the evaluation did.

    `traceback` is that of the user's code, if it raised, without the frames of libraries. Then what
    it raised is the cause (`__cause__`). `failed`: how many trials failed, where all ended.
    """

    traceback: str | None = None
    failed: int = 0


class JobFailed(RaysweepError):
    """A submitted sweep's job failed, or can no longer be followed."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CommandFailed(RaysweepError):
    """A command that `exec` ran ended with another exit code than 0."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(RaysweepError):
    """The user stopped the sweep. Finished work is kept."""

    exit_code = 130
