"""A Ray started here: on loopback, with the CPUs that the process may use, for any user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import pytest
import yaml

import family
from commands import environment
from sweeps import digits, grid

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

AT_WORK = """
import json, os, sys, time
import ray
from raysweep.cluster import cluster

@ray.remote
class Actor:
    def there(self):
        return os.getpid()

@ray.remote
def marked():
    return os.environ["MARK"]

with cluster.connect(None, local_mode=False, verbose=sys.argv[1] == "verbose"):
    actor = Actor.remote()
    ray.get(actor.there.remote())
    ray.get(marked.options(runtime_env={"env_vars": {"MARK": "1"}}).remote())  # starts its agent
    print(json.dumps(ray.cluster_resources()["CPU"]), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["quiet", "verbose"])
def test_only_this_machine_reaches_its_ports(how: str, ray_folder: Path) -> None:
    """And nothing of it is left in Ray's temporary folder, however it ends."""
    command = [sys.executable, "-c", AT_WORK, how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    env = {**os.environ, "RAY_TMPDIR": str(ray_folder)}
    with subprocess.Popen(command, text=True, env=env, **pipes) as driver:  # type: ignore[call-overload]
        lines = iter(driver.stdout.readline, "")
        assert next(line for line in lines if line.strip().replace(".", "").isdecimal())
        pids = [driver.pid, *(each.pid for each in family.family(driver.pid))]
        open_at = {(pid, address) for pid in pids for address in listening(pid)}
        assert len(list(ray_folder.glob("ray/session_2*"))) == 1
        if how == "verbose":
            driver.send_signal(signal.SIGINT)
        driver.communicate("")
    assert list(ray_folder.glob("ray/*")) == []
    assert len({pid for pid, _ in open_at}) >= 5, "driver, GCS, raylet, worker and agent listen"
    assert {str(address) for _, address in open_at if not is_loopback(address)} == set()


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A folder with a short name: Ray has sockets below it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def is_loopback(address: object) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return bool(getattr(address, "is_loopback", False))


def listening(pid: int) -> list[object]:
    """List the addresses at which the process listens for TCP."""
    links = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(handle.readlink()))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
        except FileNotFoundError:  # it has ended meanwhile
            return []
        for line in lines[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                digits_ = bytes.fromhex(fields[1].partition(":")[0])
                words = [digits_[at : at + 4][::-1] for at in range(0, len(digits_), 4)]
                found.append(ip_address(b"".join(words)))
    return found


def sweep(tmp_path: Path, *before: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a small sweep, by the command `before` if given."""
    path = tmp_path / "sweep.yaml"
    config = digits(grid(learning_rate=[0.01, 0.02]), train={"epochs": 1})
    path.write_text(yaml.safe_dump({**config, "resources": {}}))
    command = [*before, sys.executable, "-m", "raysweep", "run", str(path), "--json"]
    command += ["--storage", str(tmp_path / "runs")]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(**env), check=False, timeout=240
    )


def test_the_cpus_that_the_process_may_use_are_counted(tmp_path: Path) -> None:
    one = min(os.sched_getaffinity(0))
    done = sweep(tmp_path, "taskset", "-c", str(one))
    assert done.returncode == 0, done.stderr
    assert "1 at once with 1 CPU each" in done.stderr


def test_a_user_that_the_system_does_not_know_runs_a_sweep(tmp_path: Path) -> None:
    """As in a container that is started with only a numeric user, without a HOME."""
    unknown = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    unset = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME"]
    if subprocess.run([*unknown, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no users of one's own here")
    done = sweep(tmp_path, *unknown, *unset)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"]["completed"] == 2


def test_a_long_temporary_folder_is_refused_in_a_line(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 80)
    long.mkdir()
    done = sweep(tmp_path, TMPDIR=str(long))
    assert done.returncode == 2
    assert done.stderr.startswith(f"raysweep: TMPDIR={long}: is too long for the sockets")
    assert done.stderr.count("\n") == 1
    assert list(long.iterdir()) == []
    assert not (tmp_path / "runs").exists()
