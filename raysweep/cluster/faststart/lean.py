"""A Ray of one's own: without the processes that serve no sweep, and with copied workers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ray import _raylet
from ray._private import ray_constants, services
from ray._private.node import Node
from ray._private.state import GlobalState

from raysweep.cluster.faststart import fork_server
from raysweep.cluster.replaced import replaced, setting

UNNEEDED = ("start_api_server", "start_monitor", "start_log_monitor")
"""The methods by which Ray's head starts its dashboard's server (also where none is asked for, and
then waits for it), the autoscaler of a cluster of one machine, and the reader of its workers' logs,
which brings them to a screen that is not to show them."""

AGENT = Path(__file__).with_name("ray_agent.py")
AGENTS = (
    ray_constants.PROCESS_TYPE_DASHBOARD_AGENT,
    ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT,
)
PORTS = {
    "dashboard_agent_listen_port",
    "gcs_server_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
}
"""What Ray's processes tell each other by files: AGENT tells these, all but the GCS server's.
A Ray that has others waits for them."""


LOOK_S = 0.02
PATIENCE_S = 30.0
"""How long a driver looks for its raylet, as Ray has it."""


@contextmanager
def started(*, workers: bool = True) -> Iterator[None]:
    """Within it, `ray.init` starts a Ray without them: 3 s and more of each of two CPUs, and 1 s of
    its end. Its workers come from this process's fork server, if there is one.

    `workers`: whether it is to have any; in local mode Ray starts one a CPU, for nothing.

    Ray has no option for it. One that no longer has such a method starts as it does.
    """
    with ExitStack() as stack:
        for name in UNNEEDED:
            stack.enter_context(replaced(Node, name, lambda *_, **__: None))
        stack.enter_context(_agents_on_demand())
        stack.enter_context(_looking_again_soon())
        stack.enter_context(
            _copied_workers() if workers else setting("RAY_prestart_worker_first_driver", "0")
        )
        yield


@contextmanager
def _agents_on_demand() -> Iterator[None]:
    name = "_build_python_executable_command_memory_profileable"
    real = getattr(services, name, None)
    ports = {value for key, value in vars(_raylet).items() if key.endswith("_PORT_NAME")}
    if real is None or ports != PORTS or sys.platform != "linux":
        yield
        return

    def command(component: str, *args: Any, **options: Any) -> list[str]:
        python: list[str] = real(component, *args, **options)
        return [*python, str(AGENT)] if component in AGENTS else python

    with replaced(services, name, command):
        yield


@contextmanager
def _looking_again_soon() -> Iterator[None]:
    """Ray's driver looks for its raylet 0.1 s after it has started it, when on a busy machine it is
    not there, and would then sleep for 1 s before it looks again."""
    real = getattr(GlobalState, "get_node", None)

    def get_node(state: GlobalState, node_id: str) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while not _is_there(state, node_id):
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_S)
        assert real is not None
        return real(state, node_id)

    with replaced(GlobalState, "get_node", get_node):
        yield


def _is_there(state: GlobalState, node_id: str) -> bool:
    nodes = state.node_table()  # type: ignore[no-untyped-call]
    return any(node["NodeID"] == node_id for node in nodes)


@contextmanager
def _copied_workers() -> Iterator[None]:
    address = fork_server.address()
    if address is None:
        yield
        return
    start_raylet = Node.start_raylet

    def start(node: Node, *args: Any, **options: Any) -> None:
        node._ray_params.worker_path = str(fork_server.WORKER)
        # A raylet's workers have its environment. What Tune gives a trial has to be there already.
        with setting(fork_server.SOCKET, address), setting("PL_DISABLE_FORK", "1"):
            start_raylet(node, *args, **options)

    with replaced(Node, "start_raylet", start):
        yield
