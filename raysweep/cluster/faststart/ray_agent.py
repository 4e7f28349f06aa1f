"""What Ray's raylet starts in place of each of its two agents, which serve no sweep: see `lean`.

A raylet goes on when both have told their ports, in files of its session's folder, and ends when
one of them does. Each imports much of Ray, which takes 1 s of a CPU while a sweep starts. This
process tells the ports at once, and becomes the agent when somebody asks for it.

It runs by its path, twice for each raylet, so it imports little.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from select import select
from typing import NoReturn

UNUSED = -1
"""The port, in Ray's words, of a service that is not in use."""

WATCH_S = 1.0
"""How often to look whether the raylet is there."""


def main(arguments: list[str]) -> None:
    """Stand in for the agent whose script and options these are, until the raylet ends.

    One that cannot tell its ports as is known here is Ray's own at once.
    """
    script, *options = arguments
    told = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    try:
        folder, node, host = (told[name] for name in ("session-dir", "node-id", "node-ip-address"))
        raylet = int(os.environ["RAY_RAYLET_PID"])
        if Path(script).parent.parent.name != "runtime_env":
            # The dashboard's agent, as it is where a Ray is installed without its dashboard.
            for name in ("metrics_agent", "metrics_export", "dashboard_agent_listen"):
                _tell(Path(folder, f"{name}_port_{node}"), UNUSED)
            _wait(raylet)
            return
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, 0), family=family)
    except (KeyError, ValueError, OSError):
        _become(script, options)
    with server:
        port = server.getsockname()[1]
        _tell(Path(folder, f"runtime_env_agent_port_{node}"), port)
        asked = _wait(raylet, server)
    if asked:  # whoever asks is refused once, and asks again
        others = [each for each in options if not each.startswith("--runtime-env-agent-port=")]
        _become(script, [*others, f"--runtime-env-agent-port={port}"])


def _wait(raylet: int, *servers: socket.socket) -> bool:
    """Whether somebody asks one of them; False when the raylet is gone."""
    while os.getppid() == raylet:
        if select(servers, [], [], WATCH_S)[0]:
            return True
    return False


def _become(script: str, options: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-u", script, *options])


def _tell(path: Path, port: int) -> None:
    """All at once: the raylet reads the file as soon as it is there."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.write_text(str(port))
    written.rename(path)


if __name__ == "__main__":
    main(sys.argv[1:])
