"""Unwrap Ray's exceptions to the error that caused them."""

from __future__ import annotations

from ray.exceptions import RayActorError, RayTaskError

from raysweep.cluster.nodes import in_one_process
from raysweep.errors import RaysweepError, StoreFailed, WorkerDied

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


def note_here(error: BaseException) -> None:
    """Keep `error` for `taken_here`: in local mode Ray would hand the driver a copy of it, without
    the frames that a debugger's post-mortem shows."""
    _here[:] = [error] if in_one_process() else []


def taken_here() -> BaseException | None:
    """Return what was noted since the last call, if anything."""
    return _here.pop() if _here else None
