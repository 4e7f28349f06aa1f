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

UNUSED = -1
"""The port, in Ray's words, of a service that is not in use."""

WATCH_S = 1.0
"""How often to look whether the raylet is there."""


def main(arguments: list[str]) -> None:
    """Stand in for the agent whose script and options these are, until the raylet ends."""
    raylet = os.getppid()
    script, *options = arguments
    told = dict(option.removeprefix("--").split("=", 1) for option in options if "=" in option)
    ports = Path(told["session-dir"])
    node = told["node-id"]
    if "runtime_env" not in Path(script).parts:
        # The dashboard's agent, as it is where a Ray is installed without its dashboard.
        for name in ("metrics_agent", "metrics_export", "dashboard_agent_listen"):
            _tell(ports / f"{name}_port_{node}", UNUSED)
        while os.getppid() == raylet:
            select([], [], [], WATCH_S)
        return
    with socket.create_server((told["node-ip-address"], 0)) as server:
        port = server.getsockname()[1]
        _tell(ports / f"runtime_env_agent_port_{node}", port)
        while not select([server], [], [], WATCH_S)[0]:
            if os.getppid() != raylet:
                return
    # Whoever asks is refused once, and asks again.
    options = [each for each in options if not each.startswith("--runtime-env-agent-port=")]
    asked = [script, *options, f"--runtime-env-agent-port={port}"]
    os.execv(sys.executable, [sys.executable, "-u", *asked])


def _tell(path: Path, port: int) -> None:
    """All at once: the raylet reads the file as soon as it is there."""
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.write_text(str(port))
    written.rename(path)


if __name__ == "__main__":
    main(sys.argv[1:])
