"""A Ray cluster of three machines that share no file system, made of this one.

Each is a raylet in namespaces of its own: a network of its own, joined to the others' by a bridge,
and, for the two workers, an empty file system at `base`, which holds what on real machines is each
one's: home, temporary folder, working folder. The head, where sweeps are driven, has no CPU, and
`base` on this machine's disk. An outsider has a folder that none of them sees, and is in the
head's network. /dev/shm is common to all. The namespaces are those of a user namespace, which end
with its last process: nothing has to be unmounted or taken down.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos import QUICK_TO_NOTICE
from family import family, still_alive
from ray_head import WITHOUT_LOGS

PORT = 6379
JOBS = "http://10.77.0.1:8265"
UP_TIMEOUT_S = 60

HEAD = """
mount -t tmpfs none "$OUTSIDE"
ip link set lo up
ip link add bridge type bridge
ip address add 10.77.0.1/24 dev bridge
ip link set bridge up
"""

WORKER = """
mount -t tmpfs none "$BASE"
mkdir "$HOME" "$TMPDIR"
cd "$BASE"
ip link set lo up
until ip link set eth0 up 2>/dev/null; do sleep 0.05; done
ip address add "$IP/24" dev eth0
"""

CABLE = 'ip link add "$1" type veth peer name eth0 netns "$2"; ip link set "$1" master bridge up'


@dataclass(frozen=True)
class Machine:
    """A node: its raylet's process, whose namespaces are the node's, and the folder of its own."""

    process: subprocess.Popen[bytes]
    base: Path

    def folder(self) -> Path:
        """What this machine sees at `base`, for us to look into."""
        return self.sees(self.base)

    def sees(self, path: Path) -> Path:
        """What this machine sees there, where we see something else."""
        return Path(f"/proc/{self.process.pid}/root{path}")

    def inside(self, *command: object) -> list[str]:
        """The command, for this machine to run, where `base` is its home's folder."""
        return [*_enter(self.process.pid), "--mount", "--", *map(str, command)]

    def lose(self) -> None:
        """It is gone from one moment to the next, with all its processes, its raylet first."""
        members = family(self.process.pid)
        for member in sorted(members, key=lambda each: "raylet" not in each.title):
            if member.alive:
                os.kill(member.pid, signal.SIGKILL)


def _enter(pid: int) -> list[str]:
    return ["nsenter", f"--target={pid}", "--user", "--preserve-credentials", "--net"]


@dataclass(frozen=True)
class Cluster:
    """The machines, the address to join, and the environment of each one's processes.

    `outside` is the folder of an outsider. JOBS answers where the head was given a job server.
    """

    head: Machine
    workers: tuple[Machine, Machine]
    env: dict[str, str]
    outside: Path
    address: str = f"10.77.0.1:{PORT}"

    @property
    def base(self) -> Path:
        """The folder that each machine has for itself."""
        return self.head.base

    def from_outside(self, *command: object) -> list[str]:
        """The command, for a machine that is none of the cluster's and has a cable to the head: in
        its network, and with this machine's files."""
        return [*_enter(self.head.process.pid), "--", *map(str, command)]


@contextmanager
def two_nodes(jobs: Path | None = None) -> Iterator[Cluster]:
    """A head without CPUs and two workers with one each, ended afterwards with all processes.

    `jobs`: the Python of a head with a job server, which has `ray[default]`. Skips where the kernel
    does not let us.
    """
    may = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "--net", "sh", "-ec", HEAD],
        capture_output=True,
        text=True,
        env={**os.environ, "OUTSIDE": tempfile.gettempdir()},
    )
    if may.returncode:
        pytest.skip(f"no machines within this one here: {may.stderr.strip()}")
    with ExitStack() as stack:
        # Not pytest's folder: a socket's path below it would be longer than the kernel takes.
        base, outside = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            for _ in range(2)
        )
        env = _environment(base, outside, jobs)
        Path(env["HOME"]).mkdir()
        Path(env["TMPDIR"]).mkdir()
        head = stack.enter_context(_head(base, env, jobs))
        workers = [stack.enter_context(_worker(head, number, env)) for number in (2, 3)]
        for number, worker in zip((2, 3), workers, strict=True):
            _wait_for_text(base / f"worker-{number}.log", "Ray runtime started", worker.process)
        _wait_for_nodes(head, 3, env)
        if jobs is not None:
            _wait_for_jobs(head)
        yield Cluster(head, (workers[0], workers[1]), env, outside)


def _environment(base: Path, outside: Path, jobs: Path | None) -> dict[str, str]:
    """Of the machines' processes: ours, without what a developer has set for these tools."""
    theirs = ("WANDB_", "RAY_", "RAYSWEEP_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    path = [] if jobs is None else [str(jobs.parent)]  # a job's `python` is the first
    return {
        **env,
        **QUICK_TO_NOTICE,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": os.pathsep.join([*path, env["PATH"]]),
        "BASE": str(base),
        "HOME": f"{base}/home",
        "TMPDIR": f"{base}/tmp",
        "OUTSIDE": str(outside),
    }


@contextmanager
def _head(base: Path, env: dict[str, str], jobs: Path | None) -> Iterator[Machine]:
    start = ["--head", f"--port={PORT}", "--num-cpus=0", f"--temp-dir={base}/ray"]
    start += [f"--include-dashboard={str(jobs is not None).lower()}", "--dashboard-host=0.0.0.0"]
    start += [WITHOUT_LOGS]  # not without the monitor: `ray status` asks it
    own = ["unshare", "--map-root-user", "--mount", "--net"]
    python = jobs or Path(sys.executable)
    command = [*own, *_raylet(python, HEAD, "10.77.0.1", *start)]
    with _running(command, base / "head.log", env) as process:
        _wait_for_text(base / "head.log", "Ray runtime started", process)
        yield Machine(process, base)


@contextmanager
def _worker(head: Machine, number: int, env: dict[str, str]) -> Iterator[Machine]:
    python, base, ip = Path(sys.executable), head.base, f"10.77.0.{number}"
    start = [f"--address=10.77.0.1:{PORT}", "--num-cpus=1", WITHOUT_LOGS]
    own = head.inside("unshare", "--mount", "--net")
    log = base / f"worker-{number}.log"
    with _running([*own, *_raylet(python, WORKER, ip, *start)], log, {**env, "IP": ip}) as process:
        _wait_until_apart(process, head)
        cable = ["sh", "-ec", CABLE, "sh", f"worker-{number}", str(process.pid)]
        subprocess.run(head.inside(*cable), check=True)
        yield Machine(process, base)


def _raylet(python: Path, setup: str, ip: str, *arguments: str) -> list[str]:
    ray = [str(python), "-m", "ray.scripts.scripts", "start", "--block"]
    start = [*ray, f"--node-ip-address={ip}", "--object-store-memory=100000000", *arguments]
    return ["sh", "-ec", setup + '\nexec "$@"', "sh", *start]


@contextmanager
def _running(
    command: Sequence[str], log: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """`unshare` and `nsenter` become what they start: the process is `ray start` itself."""
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=env) as raylet:
        try:
            yield raylet
        finally:
            members = family(raylet.pid)
            raylet.terminate()
            if still_alive(members):
                for member in members:
                    if member.alive:
                        os.kill(member.pid, signal.SIGKILL)


def _wait_until_apart(process: subprocess.Popen[bytes], head: Machine) -> None:
    """Until it has a network of its own, in which a cable can end: neither ours nor the head's."""
    others = {Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", head.process.pid)}
    while Path(f"/proc/{process.pid}/ns/net").readlink() in others:
        assert process.poll() is None, "a worker ended before it had a network of its own"
        time.sleep(0.02)


def _wait_for_text(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_TIMEOUT_S
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def _wait_for_jobs(head: Machine) -> None:
    """Until the agent that runs jobs has told the server of itself."""
    ask = f"import urllib.request as r; r.urlopen('{JOBS}/api/jobs/', timeout=5)"
    deadline = time.monotonic() + UP_TIMEOUT_S
    while subprocess.run(head.inside(sys.executable, "-c", ask), capture_output=True).returncode:
        assert time.monotonic() < deadline, f"no job server: {_logs(head.base)}"
        time.sleep(0.3)


def _logs(base: Path) -> str:
    return "\n".join(log.read_text() for log in base.glob("*.log"))


def _wait_for_nodes(head: Machine, count: int, env: dict[str, str]) -> None:
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    deadline = time.monotonic() + UP_TIMEOUT_S
    status = head.inside(*ray, "status", f"--address=10.77.0.1:{PORT}")
    while True:
        told = subprocess.run(status, capture_output=True, text=True, env=env)
        active = told.stdout.partition("Active:")[2].partition("Pending:")[0]
        if len(re.findall(r"\d+ node_", active)) >= count:
            return
        assert time.monotonic() < deadline, told.stdout + told.stderr + _logs(head.base)
        time.sleep(0.3)
