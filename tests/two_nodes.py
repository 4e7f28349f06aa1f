"""A Ray cluster of three machines that share no file system, made of this one.

Each is a raylet in namespaces of its own: a network of its own, joined to the others' by a bridge,
and, for the two workers, an empty file system at `base`, which holds what on real machines is each
one's: home, temporary folder, working folder. The head, where sweeps are driven, has no CPU, and
`base` on this machine's disk. /dev/shm is common to all. The namespaces are those of a user
namespace, which end with its last process: nothing has to be unmounted or taken down.
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

from family import family, still_alive

PORT = 6379
UP_TIMEOUT_S = 60

HEAD = """
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
        return Path(f"/proc/{self.process.pid}/root{self.base}")

    def inside(self, *command: object) -> list[str]:
        """The command, for this machine to run, where `base` is its home's folder."""
        enter = ["nsenter", f"--target={self.process.pid}", *ENTERED]
        return [*enter, "--", *map(str, command)]


ENTERED = ["--user", "--preserve-credentials", "--net", "--mount"]


@dataclass(frozen=True)
class Cluster:
    """The machines, the address to join, and the environment of each one's processes."""

    head: Machine
    workers: tuple[Machine, Machine]
    env: dict[str, str]
    address: str = f"10.77.0.1:{PORT}"

    @property
    def base(self) -> Path:
        """The folder that each machine has for itself."""
        return self.head.base


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A head without CPUs and two workers with one each, ended afterwards with all processes.

    Skips where the kernel does not let us.
    """
    may = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "--net", "sh", "-ec", HEAD],
        capture_output=True,
        text=True,
    )
    if may.returncode:
        pytest.skip(f"no machines within this one here: {may.stderr.strip()}")
    with ExitStack() as stack:
        # Not pytest's folder: a socket's path below it would be longer than the kernel takes.
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        env = {**os.environ, "BASE": str(base), "HOME": f"{base}/home", "TMPDIR": f"{base}/tmp"}
        Path(env["HOME"]).mkdir()
        Path(env["TMPDIR"]).mkdir()
        head = stack.enter_context(_head(base, env))
        workers = [stack.enter_context(_worker(head, number, env)) for number in (2, 3)]
        _wait_for_nodes(head, 3, env)
        yield Cluster(head, (workers[0], workers[1]), env)


@contextmanager
def _head(base: Path, env: dict[str, str]) -> Iterator[Machine]:
    start = ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false"]
    own = ["unshare", "--map-root-user", "--mount", "--net"]
    command = [*own, *_raylet(HEAD, "10.77.0.1", *start, f"--temp-dir={base}/ray")]
    with _running(command, base / "head.log", env) as process:
        _wait_for_text(base / "head.log", "Ray runtime started", process)
        yield Machine(process, base)


@contextmanager
def _worker(head: Machine, number: int, env: dict[str, str]) -> Iterator[Machine]:
    base, ip = head.base, f"10.77.0.{number}"
    start = [f"--address=10.77.0.1:{PORT}", "--num-cpus=1"]
    own = head.inside("unshare", "--mount", "--net")
    log = base / f"worker-{number}.log"
    with _running([*own, *_raylet(WORKER, ip, *start)], log, {**env, "IP": ip}) as process:
        _wait_until_apart(process, head)
        cable = ["sh", "-ec", CABLE, "sh", f"worker-{number}", str(process.pid)]
        subprocess.run(head.inside(*cable), check=True)
        yield Machine(process, base)


def _raylet(setup: str, ip: str, *arguments: str) -> list[str]:
    ray = Path(sys.executable).with_name("ray")
    start = [str(ray), "start", "--block", f"--node-ip-address={ip}", *arguments]
    return ["sh", "-ec", setup + '\nexec "$@"', "sh", *start, "--object-store-memory=100000000"]


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


def _logs(base: Path) -> str:
    return "\n".join(log.read_text() for log in base.glob("*.log"))


def _wait_for_nodes(head: Machine, count: int, env: dict[str, str]) -> None:
    ray = Path(sys.executable).with_name("ray")
    deadline = time.monotonic() + UP_TIMEOUT_S
    status = head.inside(ray, "status", f"--address=10.77.0.1:{PORT}")
    while True:
        told = subprocess.run(status, capture_output=True, text=True, env=env)
        active = told.stdout.partition("Active:")[2].partition("Pending:")[0]
        if len(re.findall(r"\d+ node_", active)) >= count:
            return
        assert time.monotonic() < deadline, told.stdout + told.stderr + _logs(head.base)
        time.sleep(0.3)
