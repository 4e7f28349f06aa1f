"""Have the fork server fork a worker. The raylet starts this instead of Ray's own worker script.

It runs as a script, once per worker, so it imports little. See `fork_server`.
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
"""The answer of a forked worker. Any other answer is the reason why none was forked."""

ANSWER_TIMEOUT_S = 30
"""How long to wait for the answer; Ray waits 60 s for a worker."""


def main(arguments: list[str]) -> None:
    """Have the fork server fork the worker; otherwise exec Ray's worker script."""
    address = os.environ.pop("RAYSWEEP_FORK_SERVER", None)
    script = os.environ.pop("RAYSWEEP_WORKER_SCRIPT")  # the one that Ray itself would have started
    try:
        if address is not None:
            hand_over(address, script, arguments)
            return
    except OSError as error:
        print(f"raysweep: this worker was not forked: {error}", file=sys.stderr, flush=True)
    flags = sys.orig_argv[1 : -len(sys.argv)]  # such as -s
    os.execv(sys.executable, [sys.executable, *flags, script, *arguments])


def hand_over(address: str, script: str, arguments: list[str]) -> None:
    """Have a fork of the server run `script` as this process would.

    Raises OSError with the reason if the server forks none.
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(ANSWER_TIMEOUT_S)
        server.connect("\0" + address)
        if peer(server) != os.getuid():
            raise PermissionError("another user has the fork server's address")
        data = json.dumps(_given(script, arguments)).encode() + b"\n"
        sent = socket.send_fds(server, [data], [1, 2])
        if sent < len(data):  # else the server may have answered and closed the connection
            server.sendall(data[sent:])
        answer = _answer(server)
    if answer != TAKEN:
        raise ConnectionError(answer.decode() or "the fork server has ended")


def peer(connection: socket.socket) -> int:
    """Return the user id of the other end: any user can bind an abstract address, unlike a file."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _given(script: str, arguments: list[str]) -> dict[str, Any]:
    """Collect the state that the forked worker takes over, except stdout and stderr."""
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
    """Receive the server's answer. After a timeout, stop receiving, but accept an answer that has
    come meanwhile; sending a later one fails, and the forked worker exits."""
    try:
        return server.recv(1000)
    except TimeoutError:
        server.shutdown(socket.SHUT_RD)
        return server.recv(1000) or b"the fork server does not answer"


if __name__ == "__main__":
    main(sys.argv[1:])
