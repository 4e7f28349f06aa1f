"""What Ray's raylet starts in place of its own worker script: see `fork_server`.

It runs by its path, once for each worker, so it imports little.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

TAKEN = b"taken"
"""What a copy answers. Anything else is the reason why there is none."""

PATIENCE_S = 30
"""How long to wait for it; Ray waits 60 s for a worker."""


def main(arguments: list[str]) -> None:
    """Have the fork server be the worker, or be it."""
    address = os.environ.pop("RAYSWEEP_FORK_SERVER", None)
    script = os.environ.pop("RAYSWEEP_WORKER_SCRIPT")  # the one that Ray itself would have started
    try:
        if address is not None:
            hand_over(address, script, arguments)
            return
    except OSError as error:
        print(f"raysweep: this worker is no copy: {error}", file=sys.stderr, flush=True)
    flags = sys.orig_argv[1 : -len(sys.argv)]  # such as -s
    os.execv(sys.executable, [sys.executable, *flags, script, *arguments])


def hand_over(address: str, script: str, arguments: list[str]) -> None:
    """Have a copy of the server run `script` as this process would.

    Raises OSError, which says why, where there is none.
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(PATIENCE_S)
        server.connect("\0" + address)
        if peer(server) != os.getuid():
            raise PermissionError("another user has the fork server's address")
        data = json.dumps(_given(script, arguments)).encode() + b"\n"
        sent = socket.send_fds(server, [data], [1, 2])
        if sent < len(data):  # else the answer may be there, and the connection closed
            server.sendall(data[sent:])
        answer = _answer(server)
    if answer != TAKEN:
        raise ConnectionError(answer.decode() or "the fork server has ended")


def peer(connection: socket.socket) -> int:
    """The user at its other end. An abstract address, unlike a file, is anybody's."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _given(script: str, arguments: list[str]) -> dict[str, Any]:
    """What makes this process what it is, but for its stdout and stderr."""
    return {
        "script": script,
        "arguments": arguments,
        "executable": sys.executable,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "blocked": list(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(),
    }


def _answer(server: socket.socket) -> bytes:
    """One that comes when we have given up counts as well: a later one finds nobody to tell."""
    try:
        return server.recv(1000)
    except TimeoutError:
        server.shutdown(socket.SHUT_RD)
        return server.recv(1000) or b"the fork server does not answer"


if __name__ == "__main__":
    main(sys.argv[1:])
