"""Start Ray without the processes that no sweep uses, and with workers forked by the fork server.

A plain `ray.init` takes 3 s and more of each of two CPUs for the dashboard's server, the autoscaler
and the log monitor, 1 s for the raylet's two agents, and 2 s per worker for imports.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from raysweep.cluster.faststart import fork_server
from raysweep.cluster.faststart.checks import (
    HEAD_PROCESSES,
    LOG_MONITOR,
    PatchName,
    worker_script,
)
from raysweep.cluster.faststart.replaced import replaced, setting

AGENT = Path(__file__).with_name("ray_agent.py")

LOOK_S = 0.02
LOOKUP_TIMEOUT_S = 30.0
"""How long a driver polls for its raylet; the same as Ray's own limit."""

NO_PRESTART = "RAY_prestart_worker_first_driver"
"""By default `ray.init` waits until one worker per CPU has registered, forever if none does. With 0
it returns at once; `start` then requests the workers, and waits with a deadline."""


@contextmanager
def patched(patches: Collection[PatchName], *, logs: bool = False) -> Iterator[None]:
    """Apply these patches, which were probed before, to the `ray.init` in the block.

    `logs`: whether to start Ray's log monitor, which copies workers' output to the driver's.
    """
    with ExitStack() as stack:
        if "head-processes" in patches:
            stack.enter_context(_without_head_processes(logs))
        if "agents" in patches:
            stack.enter_context(_agents_on_demand())
        if "raylet-lookup" in patches:
            stack.enter_context(_frequent_lookup())
        if "worker-copies" in patches and (address := fork_server.address()):
            stack.enter_context(_forked_workers(address))
        stack.enter_context(setting(NO_PRESTART, "0"))
        yield


@contextmanager
def _without_head_processes(logs: bool) -> Iterator[None]:
    """Leave out the dashboard's server (which `include_dashboard=False` starts, too), the
    autoscaler of a cluster of one machine, and, unless the terminal shows `logs`, the log
    monitor."""
    from ray._private.node import Node

    with ExitStack() as stack:
        for name in HEAD_PROCESSES.keys() - ({LOG_MONITOR} if logs else set()):
            stack.enter_context(replaced(Node, name, lambda *_, **__: None))
        yield


@contextmanager
def _agents_on_demand() -> Iterator[None]:
    """Start `ray_agent.py` in place of the raylet's two agents."""
    from ray._private import ray_constants, services

    name = "_build_python_executable_command_memory_profileable"
    real = getattr(services, name)
    agents = (
        ray_constants.PROCESS_TYPE_DASHBOARD_AGENT,
        ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT,
    )

    def command(component: str, *args: Any, **options: Any) -> list[str]:
        python: list[str] = real(component, *args, **options)
        return [*python, str(AGENT)] if component in agents else python

    with replaced(services, name, command):
        yield


@contextmanager
def _frequent_lookup() -> Iterator[None]:
    """Poll for the raylet every 20 ms. Ray's driver looks 0.1 s after it has started the raylet,
    which is too soon on a busy machine, and then sleeps for 1 s before it retries."""
    from ray._private.state import GlobalState

    real = GlobalState.get_node

    def get_node(state: GlobalState, node_id: str) -> Any:
        deadline = time.monotonic() + LOOKUP_TIMEOUT_S
        while time.monotonic() < deadline and not _is_registered(state, node_id):
            time.sleep(LOOK_S)
        return real(state, node_id)

    with replaced(GlobalState, "get_node", get_node):
        yield


def _is_registered(state: Any, node_id: str) -> bool:
    """Return whether the node is in the table; True if the table has another format, so that Ray's
    own method decides."""
    try:
        return any(node["NodeID"] == node_id for node in state.node_table())
    except (KeyError, TypeError):
        return True


@contextmanager
def _forked_workers(address: str) -> Iterator[None]:
    """Have the raylet start `ray_worker.py`, which asks the fork server at `address` to fork."""
    from ray._private.node import Node

    start_raylet = Node.start_raylet

    def start(node: Node, *args: Any, **options: Any) -> None:
        parameters = node._ray_params
        own = parameters.worker_path or str(worker_script())
        parameters.worker_path = str(fork_server.WORKER)
        # Workers inherit the raylet's environment, which must have what Tune would give a trial.
        with (
            setting(fork_server.SOCKET, address),
            setting(fork_server.SCRIPT, own),
            setting("PL_DISABLE_FORK", "1"),
        ):
            start_raylet(node, *args, **options)

    with replaced(Node, "start_raylet", start):
        yield
