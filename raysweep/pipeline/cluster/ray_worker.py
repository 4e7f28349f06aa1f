"""What Ray's raylet starts in place of its own worker script: see `fork_server`.

It runs by its path, once for each worker, so it imports little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Have the fork server be the worker, or be it."""
    address = os.environ.pop("RAYSWEEP_FORK_SERVER", None)
    ray = find_spec("ray")
    assert ray is not None and ray.origin is not None
    script = str(Path(ray.origin).with_name("_private") / "workers" / "default_worker.py")
    if address is None or not handed_over(address, script, arguments):
        flags = sys.orig_argv[1 : -len(sys.argv)]  # such as -s
        os.execv(sys.executable, [sys.executable, *flags, script, *arguments])


def handed_over(address: str, script: str, arguments: list[str]) -> bool:
    """Whether there is a server, and a copy of it runs `script` as this process would have."""
    given = {
        "script": script,
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "blocked": list(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    }
    data = json.dumps(given).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect("\0" + address)
            sent = socket.send_fds(server, [data], [1, 2])
            if sent < len(data):  # else the answer may be there, and the connection closed
                server.sendall(data[sent:])
            return server.recv(1) == b"1"
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
