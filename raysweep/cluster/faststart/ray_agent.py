"""Stub of the raylet's two agents, which no sweep uses; the raylet starts it instead: see `lean`.

The raylet waits until both agents have written their ports to files in the session's folder, and
exits when one of them does. Each agent imports much of Ray, which takes 1 s of a CPU while a sweep
starts. This stub writes the ports at once, and execs the real agent on the first connection.

It runs as a script, twice per raylet, so it imports little.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from select import select
from typing import NoReturn

UNUSED = -1
"""The port that Ray uses for a service that is switched off."""

WATCH_S = 1.0
"""How often to check that the raylet is alive."""


def main(arguments: list[str]) -> None:
    """Stand in for the agent with this script and these options, until the raylet exits.

    If the options or the environment are not as expected, exec Ray's own agent at once.
    """
    script, *options = arguments
    named = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    try:
        folder, node, host = (named[name] for name in ("session-dir", "node-id", "node-ip-address"))
        raylet = int(os.environ["RAY_RAYLET_PID"])
        if Path(script).parent.parent.name != "runtime_env":
            # The dashboard's agent, as in a Ray that is installed without its dashboard.
            for name in ("metrics_agent", "metrics_export", "dashboard_agent_listen"):
                _publish(Path(folder, f"{name}_port_{node}"), UNUSED)
            _wait_for_client(raylet)
            return
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, 0), family=family)
    except (KeyError, ValueError, OSError):
        _exec_agent(script, options)
    with server:
        port = server.getsockname()[1]
        _publish(Path(folder, f"runtime_env_agent_port_{node}"), port)
        wanted = _wait_for_client(raylet, server)
    if wanted:  # the client's first connection is reset, and it retries
        others = [each for each in options if not each.startswith("--runtime-env-agent-port=")]
        _exec_agent(script, [*others, f"--runtime-env-agent-port={port}"])


def _wait_for_client(raylet: int, *servers: socket.socket) -> bool:
    """Wait; return True when a client connects to one of `servers`, False when the raylet exits."""
    while os.getppid() == raylet:
        if select(servers, [], [], WATCH_S)[0]:
            return True
    return False


def _exec_agent(script: str, options: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-u", script, *options])


def _publish(path: Path, port: int) -> None:
    """Write the port atomically: the raylet reads the file as soon as it exists."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.write_text(str(port))
    written.rename(path)


if __name__ == "__main__":
    main(sys.argv[1:])
