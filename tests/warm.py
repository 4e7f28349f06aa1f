"""Processes that are killed by the dozen, as copies of one that has imported raysweep already.

Each is a process of its own, with its own streams, environment and end; only its imports, half of
a short sweep's time, were done before it began.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any

COMMAND = "import sys; from raysweep.cli.main import main; sys.exit(main(sys.argv[1:]))"
"""The code of `python -m raysweep`."""

IMPORTED = (
    "raysweep.cli",
    "raysweep.ml.preprocess",
    "raysweep.ml.training",
    "raysweep.sweep.resume",
    "raysweep.sweep.sweep",
    "raysweep.terminal.plain",
    "raysweep.terminal.summary",
    "torch",
)


PATIENCE_S = 120.0
"""How long what is asked for may take."""


class Process:
    """What runs, as subprocess.Popen has it. Its stdout is stderr, too."""

    def __init__(self, pid: int, stdout: int, ends: Iterator[dict[str, int]]) -> None:
        self.pid = pid
        self.stdout = os.fdopen(stdout, encoding="utf-8")
        self.returncode: int | None = None
        self._ends = ends

    def kill(self) -> None:
        """kill -9, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = 0) -> int:
        """Its exit code, or the negative number of the signal that ended it.

        Raises TimeoutError after PATIENCE_S, whatever `timeout` is: it is Popen's, for callers.
        """
        while self.returncode is None:
            ended = next(self._ends)
            if ended["pid"] == self.pid:
                self.returncode = os.waitstatus_to_exitcode(ended["status"])
        return self.returncode

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        self.wait()
        self.stdout.close()


class Warm:
    """Starts them, one after the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.settimeout(PATIENCE_S)
        self._lines = connection.makefile(encoding="utf-8")

    def start(self, code: str, arguments: Sequence[str], env: Mapping[str, str]) -> Process:
        """`python -c CODE ARGUMENTS`, begun."""
        read, write = os.pipe()
        asked = {"code": code, "arguments": list(arguments), "environment": dict(env)}
        socket.send_fds(self._connection, [b"."], [write])
        os.close(write)
        self._connection.sendall(json.dumps(asked).encode() + b"\n")
        return Process(json.loads(self._lines.readline())["pid"], read, self._ended())

    def _ended(self) -> Iterator[dict[str, int]]:
        for line in self._lines:
            yield json.loads(line)
        raise AssertionError("the process that others are copied from is gone")


@contextmanager
def warm() -> Iterator[Warm]:
    """Within it there is a process that others are copied from."""
    from raysweep.cluster.faststart.fork_server import SETTINGS

    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            env={**os.environ, **SETTINGS},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        one = Warm(ours)
        try:
            yield one
        finally:
            one._lines.close()
            ours.close()
            server.terminate()
            server.wait()


def _serve(connection: socket.socket) -> dict[str, Any] | None:
    """In each copy, what it was asked to be. None when nobody asks any more."""
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select([connection, *running], [], [])
        for handle in set(ready) & running.keys():
            pid, status = os.waitpid(running.pop(handle), 0)
            os.close(handle)
            connection.sendall(json.dumps({"pid": pid, "status": status}).encode() + b"\n")
        if connection not in ready:
            continue
        mark, streams, _, _ = socket.recv_fds(connection, 1, 1)
        if not mark:
            return None
        with connection.makefile(encoding="utf-8") as lines:
            asked: dict[str, Any] = json.loads(lines.readline())
        if (pid := os.fork()) == 0:
            return {**asked, "stream": streams[0]}
        os.close(streams[0])
        running[os.pidfd_open(pid)] = pid
        connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _become(asked: dict[str, Any]) -> None:
    """Run it, with its streams and its environment."""
    os.dup2(asked["stream"], 1)
    os.dup2(asked["stream"], 2)
    os.close(asked["stream"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["-c", *asked["arguments"]]
    exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    from raysweep.cluster import quiet
    from raysweep.cluster.faststart import fork_server

    sys.path.remove(str(Path(__file__).parent))
    quiet.apply_settings()
    with fork_server.ids_from_the_kernel():
        for module in IMPORTED:
            importlib.import_module(module)
    fork_server.require_one_thread()
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        copy = _serve(theirs)
    if copy is not None:
        fork_server.draw_anew()
        _become(copy)
