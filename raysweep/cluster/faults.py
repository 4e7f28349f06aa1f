"""Unwrap Ray's exceptions to the error that caused them."""

from __future__ import annotations

from ray.exceptions import RayActorError, RayTaskError

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
