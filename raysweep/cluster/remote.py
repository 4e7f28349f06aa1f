"""Run plain functions and classes as Ray tasks and actors; wait for their results."""

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
    """Call `ray.get`, but raise the task's own exception instead of Ray's wrapper of it.

    Raises WorkerDied, in one line, if the process of a task or an actor has died, and Ray's
    GetTimeoutError if there is no result within `timeout_s`.
    """
    try:
        return ray.get(ref, timeout=timeout_s)
    except RayTaskError as error:
        raised = cause(error)
        if raised is error:
            raise
        raise raised from error  # its text is the traceback in the worker
    except RayActorError as error:
        raise died(error) from error
    except (WorkerCrashedError, OutOfMemoryError) as error:
        raise WorkerDied(DIED) from error


def wait_for(ref: Any) -> Any:
    """Call `get` for a long wait of the driver, which a Ctrl-C ends even if Python dropped it."""
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
    """Make a plain class a Ray actor class, ready for `.remote(…)`. Ray's types do not cover it.

    Ray takes `concurrency_groups`, name → number of threads, only when the class is made.
    """
    remote: Any = ray.remote
    groups = options.pop("concurrency_groups", None)
    made = remote(cls) if groups is None else remote(concurrency_groups=groups)(cls)
    return made.options(**options)


def as_task(function: Callable[..., Any], **options: Any) -> Any:
    """Make a plain function a Ray task, ready for `.remote(…)`."""
    return ray.remote(function).options(**options)
