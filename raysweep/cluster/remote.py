"""Plain functions and classes as Ray's tasks and actors, and what those answer or raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from raysweep.cluster import signals
from raysweep.cluster.faults import DIED, cause, died
from raysweep.errors import WorkerDied


def get(ref: Any, timeout_s: float | None = None) -> Any:
    """`ray.get`, raising what the task itself raised instead of Ray's wrapping of it.

    Raises WorkerDied, in one line, where the process of a task or an actor is gone, and Ray's
    GetTimeoutError where there is no answer within `timeout_s`.
    """
    try:
        return ray.get(ref, timeout=timeout_s)
    except RayTaskError as error:
        raised = cause(error)
        if raised is error:
            raise
        raise raised from error  # whose text is the traceback there
    except RayActorError as error:
        raise died(error) from error
    except (WorkerCrashedError, OutOfMemoryError) as error:
        raise WorkerDied(DIED) from error


def wait_for(ref: Any) -> Any:
    """As `get`, for the driver's long waits: a Ctrl-C ends it even where Python lost it."""
    while True:
        signals.raise_if_interrupted()
        try:
            return get(ref, timeout_s=1)
        except GetTimeoutError:
            continue
        except Exception:
            signals.raise_if_interrupted()  # in local mode that is why
            raise


def as_actor(cls: type, **options: Any) -> Any:
    """A plain class as a Ray actor's, ready for `.remote(…)`; Ray's own types lose the way."""
    return ray.remote(cls).options(**options)


def as_task(function: Callable[..., Any], **options: Any) -> Any:
    """A plain function as a Ray task, ready for `.remote(…)`."""
    return ray.remote(function).options(**options)
