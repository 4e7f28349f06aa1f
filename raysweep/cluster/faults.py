"""What Ray raises in the place of what went wrong, as what went wrong."""

from __future__ import annotations

from ray.exceptions import RayActorError, RayTaskError

from raysweep.errors import RaysweepError, StoreFailed, WorkerDied

DIED = "a process of the sweep died: killed, or out of memory"


def cause(error: RayTaskError) -> Exception:
    """What was raised at the bottom of a task that called a task that called …"""
    found: Exception = error
    while isinstance(found, RayTaskError) and isinstance(found.cause, Exception):
        found = found.cause
    return found


def died(error: RayActorError) -> RaysweepError:
    """An actor that could not even be made leaves its exception, as the last line of Ray's text;
    the store's writer, where the store cannot be opened."""
    lines = str(error).strip().splitlines()
    if not error.actor_init_failed or not lines:
        return WorkerDied(DIED)
    kind, _, why = lines[-1].partition(": ")
    made = StoreFailed if kind.endswith(StoreFailed.__name__) else WorkerDied
    return made(why or lines[-1])
