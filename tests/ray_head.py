"""A Ray head node of a test's own, as `ray start` makes it."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lean_ray

WITHOUT_LOGS = "--include-log-monitor=false"
"""An option of a node whose workers' logs are of no matter."""

LEAN = ("--include-dashboard=false", "--no-monitor", WITHOUT_LOGS)
"""A head's, where its jobs and its autoscaler are of none, either."""

UNSHARED = [
    *("unshare", "--mount", "--map-root-user", "sh", "-c"),
    'mount -t tmpfs none "$0" && exec "$@"',
]
"""A command with file systems of its own; the next argument is the folder that it finds empty."""


@contextmanager
def ray_head(log: Path, unseen: Path | None = None, **env: str) -> Iterator[str]:
    """Its `HOST:PORT`. It has two CPUs, and is ended afterwards with all its processes.

    `unseen`: a folder that it finds empty, as another machine would. `env` is in its environment,
    besides this process's.
    """
    with _head(
        log, [sys.executable, "-m", "ray.scripts.scripts"], [*LEAN], unseen, {**os.environ, **env}
    ) as (process, _):
        yield _address(process, log)


def python_with_jobs() -> Path | None:
    """The Python that has `ray[default]`; scripts/test makes it, and says why it is another."""
    if importlib.util.find_spec("aiohttp"):
        return Path(sys.executable)
    beside = Path(sys.prefix) / "cluster" / "bin" / "python"
    return beside if beside.exists() else None


NO_JOBS = "ray[default] is not installed; ./scripts/test does it, beside .venv"


@contextmanager
def job_server(log: Path, python: Path, home: Path, **more: str) -> Iterator[tuple[str, Path]]:
    """The `http://HOST:PORT` of a head's job server, and its session's folder.

    It runs that Python and has that home; `more` is in its environment.
    """
    port, agent, client = free_ports(3)
    options = [
        *("--include-dashboard=true", f"--dashboard-port={port}"),
        *(f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"),
        *("--no-monitor", WITHOUT_LOGS),
        "--min-worker-port=0",  # any; else it wants 10,000 ports for itself, and refuses these
    ]
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0", "LANG": "C.UTF-8"}
    env |= more
    with _head(log, [python, "-m", "ray.scripts.scripts"], options, env=env) as (process, temp):
        _address(process, log)
        address = f"http://127.0.0.1:{port}"
        _wait_for_jobs(process, address, log)
        yield address, temp / "session_latest"


def lean_ray_start(
    log: Path, *options: str, env: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], str]:
    """`ray start --block` with these options (see lean_ray), once it is up: the process, and a
    head's address."""
    with log.open("w") as out:
        command = [sys.executable, lean_ray.__file__, "start", "--block", *options]
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env)
    if "--head" in options:
        return process, _address(process, log)
    while "Ray runtime started" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    return process, ""


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _head(
    log: Path,
    ray: Sequence[object],
    options: Sequence[str],
    unseen: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with log.open("w") as out, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        head = [
            *(*ray, "start", "--head", "--block", "--port=0", "--num-cpus=2"),
            *(*options, f"--temp-dir={temp}"),
        ]
        hiding = [] if unseen is None else [*UNSHARED, str(unseen)]
        command = [str(part) for part in (*hiding, *head)]
        with subprocess.Popen(command, stdout=out, stderr=out, env=env) as process:
            try:
                yield process, Path(temp)
            finally:
                process.terminate()
                process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"address='([\d.:]+)'", log.read_text()):
            return found[1]
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"ray start ended: {log.read_text()}")


def _wait_for_jobs(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until the agent that runs jobs has told the server of itself."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/api/jobs/", timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code == 401:  # it is up, and wants a token
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"no job server: {log.read_text()}")
