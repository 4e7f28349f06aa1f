"""Start a Ray of our own with the patches that it allows; without them where that does not work."""

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
"""How long the first worker may take to run its first task. It takes 1 to 5 s, a busy machine
included; Ray itself gives up a worker that has not registered after 60 s, and starts another."""

LOOK_S = 0.5


def start(
    init: Callable[[], None],
    patches: Collection[PatchName],
    *,
    workers: bool,
    logs: bool = False,
    look: Callable[[], None] = lambda: None,
    patience_s: float = FIRST_WORKER_S,
) -> str | None:
    """Call `init`, which calls `ray.init`, with the patches, and wait for the first worker.

    Where Ray does not start so, or no worker comes within `patience_s`, shut it down and call
    `init` once more without them. `workers`: whether it is to have any; local mode has none.
    `logs`: whether Ray is to copy its workers' output to this terminal. `look` is called while it
    waits, and may raise.

    Returns None, or the line that says that Ray was started twice.
    """
    if not patches:
        init()
        return None
    try:
        with lean.patched(patches, logs=logs):
            init()
        if not workers or _has_worker(look, patience_s):
            return None
        why = f"no worker within {patience_s:g} s"
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


def _has_worker(look: Callable[[], None], patience_s: float) -> bool:
    """Whether a worker runs a task in time. One is started for each CPU, which the stages and
    trials that come next will use."""
    task = ray.remote(_nothing).options(num_cpus=1, max_retries=-1)
    waiting = [task.remote() for _ in range(int(ray.cluster_resources().get("CPU", 0)))]
    deadline = time.monotonic() + patience_s
    while waiting and time.monotonic() < deadline:
        look()
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
