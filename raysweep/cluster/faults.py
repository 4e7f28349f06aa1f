"""Unwrap Ray's exceptions to the error that caused them."""

from __future__ import annotations

from contextlib import suppress

from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError

from raysweep.cluster.nodes import in_one_process
from raysweep.errors import CodeFailed, RaysweepError, StoreFailed, WorkerDied

DIED = "a process of the sweep died: killed, or out of memory"


def cause(error: RayTaskError) -> Exception:
    """Return the exception at the bottom of a chain of tasks that called each other."""
    found: Exception = error
    while isinstance(found, RayTaskError) and isinstance(found.cause, Exception):
        found = found.cause
    return found


def died(error: RayActorError) -> RaysweepError:
    """Make the error for a dead actor. If its constructor failed, the last line of Ray's text has
    the exception; the writer's does if the store cannot be opened."""
    lines = str(error).strip().splitlines()
    if not error.actor_init_failed or not lines:
        return WorkerDied(DIED)
    kind, _, why = lines[-1].partition(": ")
    error_type = StoreFailed if kind.endswith(StoreFailed.__name__) else WorkerDied
    return error_type(why or lines[-1])


_here: list[BaseException] = []
"""In local mode: the latest exception of the user's code, with its frames."""


def code_failed(message: str, raised: BaseException) -> CodeFailed:
    """Make the error that tells of what the user's code raised, to be raised from it."""
    failed = CodeFailed(message)
    if pickled(raised) is not None:
        failed.raised = raised
    return failed


def pickled(error: BaseException) -> bytes | None:
    """Pickle an exception of the user's code; None if it could not be read back. Its traceback and
    its cause stay here."""
    with suppress(Exception):  # whatever its class does
        data: bytes = cloudpickle.dumps(error)  # type: ignore[no-untyped-call]
        cloudpickle.loads(data)
        return data
    return None


def unpickled(digits: str | None) -> BaseException | None:
    """Read back what `pickled` made, in hexadecimal digits; None if it cannot be read here."""
    with suppress(Exception):  # whatever its class does, and its module may not be here
        error = cloudpickle.loads(bytes.fromhex(digits or ""))
        return error if isinstance(error, BaseException) else None
    return None


def note_here(error: BaseException) -> None:
    """Keep `error` for `taken_here`: in local mode Ray would hand the driver a copy of it, without
    the frames that a debugger's post-mortem shows."""
    _here[:] = [error] if in_one_process() else []


def taken_here() -> BaseException | None:
    """Return what was noted since the last call, if anything."""
    return _here.pop() if _here else None
