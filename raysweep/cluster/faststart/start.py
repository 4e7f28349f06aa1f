"""Start Ray with the patches that it allows; fall back to a start without them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection

import ray
from ray.exceptions import RayError

from raysweep.cluster.faststart import lean
from raysweep.cluster.faststart.checks import PatchName
from raysweep.cluster.faststart.probe import SWITCH

FIRST_WORKER_S = 60.0
"""How long the first worker may take to run its first task. It takes 1 to 5 s, on a busy machine,
too. Ray itself replaces a worker that has not registered after 60 s."""

LOOK_S = 0.5


def start(
    init: Callable[[], None],
    patches: Collection[PatchName],
    *,
    workers: bool,
    logs: bool = False,
    check: Callable[[], None] = lambda: None,
    timeout_s: float = FIRST_WORKER_S,
) -> str | None:
    """Call `init`, which calls `ray.init`, with the patches, and wait for the first worker.

    If Ray does not start, or no worker runs a task within `timeout_s`, shut Ray down and call
    `init` again without the patches. `workers`: whether Ray has workers; in local mode it has none.
    `logs`: whether Ray copies its workers' output to this terminal. `check` is called repeatedly
    while it waits, and may raise.

    Returns None, or the line that says that Ray was started twice.
    """
    if not patches:
        init()
        return None
    try:
        with lean.patched(patches, logs=logs):
            init()
        if not workers or _has_worker(check, timeout_s):
            return None
        why = f"no worker within {timeout_s:g} s"
    except (RayError, OSError, RuntimeError, AttributeError, TypeError) as error:
        why = _first_line(error)
    except Exception as error:
        if type(error) is not Exception:  # `ray.init` raises a bare one when its node times out
            raise
        why = _first_line(error)
    ray.shutdown()
    init()
    return (
        f"Ray did not start with raysweep's fast start ({why}), so it was started once more "
        f"without; {SWITCH}=0 leaves it out from the beginning"
    )


def _has_worker(check: Callable[[], None], timeout_s: float) -> bool:
    """Return whether a worker runs a task within `timeout_s`. Start one worker per CPU, which the
    stages and trials use later."""
    task = ray.remote(_nothing).options(num_cpus=1, max_retries=-1)
    waiting = [task.remote() for _ in range(int(ray.cluster_resources().get("CPU", 0)))]
    deadline = time.monotonic() + timeout_s
    while waiting and time.monotonic() < deadline:
        check()
        done, _ = ray.wait(waiting, num_returns=1, timeout=LOOK_S)
        if done:
            ray.get(done)
            return True
    return not waiting


def _nothing() -> int:
    return os.getpid()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
