"""Forked workers, with real processes: each has its own state, and none depends on the server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raysweep.cluster.faststart import ray_worker

import family

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Ray's own way is taken")

WORKERS = """
import json, os, random, resource, sys, threading, time
from pathlib import Path
import ray
from family import family
from raysweep.cluster import cluster

class Worker:
    def told(self):
        import numpy, torch
        return {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "job": ray.get_runtime_context().get_job_id(),
            "drawn": [
                ray.ObjectRef.from_random().hex(),
                random.random(),
                numpy.random.rand(),
                self.put_by_a_thread(),
            ],
            "environment": dict(os.environ),
            "argv": os.path.basename(sys.argv[0]),
            "cwd": os.getcwd(),
            "group": os.getpgid(0),
            "limits": [
                resource.getrlimit(resource.RLIMIT_NOFILE),
                Path("/proc/self/oom_score_adj").read_text(),
            ],
        }

    def put_by_a_thread(self):
        drawn = []
        one = threading.Thread(target=lambda: drawn.append(ray.put(1).hex()))
        one.start()
        one.join()
        return drawn[0]

def children():
    return [one for one in family(os.getpid()) if one.parent == os.getpid()]

def told(**options):
    actor = ray.remote(Worker).options(num_cpus=0, **options).remote()
    workers.append(actor)  # as long as it is there, the next one is another process
    return ray.get(actor.told.remote())

workers = []
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limit))  # Ray raises it, and so its workers'
with cluster.connect(None, local_mode=False, verbose=False):
    named = ("fork_server", "ForkServer")  # before and after it has imported Ray
    server = next((one for one in children() if any(n in one.title for n in named)), None)
    answers = [told()]
    if server is not None and server.alive:
        answers.append(told())
        answers.append(told(runtime_env={"env_vars": {"MARK": "1"}}))
        other = {"RAY_ENABLE_RECORD_ACTOR_TASK_LOGGING": "1"}
        answers.append(told(runtime_env={"env_vars": other}))
        os.kill(server.pid, 9)
        while server.alive:
            time.sleep(0.05)
        answers.append(told())
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    said = (logs / "raylet.err").read_text()
print(json.dumps({"server": server and server.pid, "answers": answers, "said": said}))
"""


def told(folder: Path, **env: str) -> dict[str, Any]:
    """Return what the workers of a Ray that `cluster.connect` starts report about themselves."""
    path = os.pathsep.join([str(Path(family.__file__).parent), env.pop("PYTHONPATH", "")])
    command = [sys.executable, "-c", WORKERS]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), **env},
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told(tmp_path_factory.mktemp("workers"))


def test_workers_are_forked_from_the_server(found: dict[str, Any]) -> None:
    server, answers = found["server"], found["answers"]
    parents = [answer["parent"] == server for answer in answers]
    assert parents == [True, True, True, False, False], (
        "the fourth was asked for with another setting of Ray's, the last when the server was gone"
    )
    assert {answer["argv"] for answer in answers} == {"default_worker.py"}
    assert {answer["job"] for answer in answers} == {"01000000"}
    assert len({answer["cwd"] for answer in answers}) == 1


def test_no_two_workers_draw_the_same_random_numbers(found: dict[str, Any]) -> None:
    """Two objects to which two workers gave the same id would be one object."""
    drawn = [value for answer in found["answers"] for value in answer["drawn"]]
    assert len(set(drawn)) == 4 * len(found["answers"])


def test_each_has_its_own_environment(found: dict[str, Any]) -> None:
    environments = [answer["environment"] for answer in found["answers"]]
    assert [each.get("MARK") for each in environments] == [None, None, "1", None, None]
    assert all("JE_ARROW_MALLOC_CONF" not in each for each in environments), "the server's own"
    assert {each["PL_DISABLE_FORK"] for each in environments} == {"1"}, "as Tune has it in a trial"


def test_each_has_the_limits_of_rays_own_workers(found: dict[str, Any]) -> None:
    """Check the limit on open files, the OOM score and the process group."""
    copies, rays_own = found["answers"][:3], found["answers"][3:]
    assert {str(each["limits"]) for each in copies} == {str(each["limits"]) for each in rays_own}
    assert [each["group"] for each in copies] == [each["pid"] for each in copies]


def test_if_imports_start_threads_no_worker_is_forked(tmp_path: Path) -> None:
    """A child would lack the threads, and wait for a lock that one of them holds."""
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
    )
    found = told(tmp_path, PYTHONPATH=str(tmp_path))
    (answer,) = found["answers"]  # the server had ended when the first worker was there
    assert "imports have started 1 threads" in found["said"]
    assert answer["parent"] != found["server"]


SERVER = """
import sys, time
from raysweep.cluster.faststart import fork_server

with fork_server.running():
    print(fork_server.address(), flush=True)
    time.sleep(1000)
"""


def test_it_ends_with_a_driver_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as driver:
        try:
            assert driver.stdout is not None and driver.stdout.readline()
            members = family.family(driver.pid)
        finally:
            driver.kill()
    assert len(members) == 2
    assert family.still_alive(members) == []


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is another user's server used, which could read a worker's environment."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")
        listening.listen()
        address = listening.getsockname()[1:].decode()
        monkeypatch.setattr(ray_worker, "ANSWER_TIMEOUT_S", 0.2)
        with pytest.raises(OSError, match="does not answer"):
            ray_worker.hand_over(address, "script.py", [])
        monkeypatch.setattr(os, "getuid", lambda: -1)
        with pytest.raises(PermissionError, match="another user"):
            ray_worker.hand_over(address, "script.py", [])


def test_an_answer_that_comes_at_once_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counted as missing, and two processes were the same worker: Ray killed both."""
    closed = threading.Event()

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            socket.recv_fds(connection, 1 << 16, 2)
            connection.send(ray_worker.TAKEN)
        closed.set()

    real = socket.send_fds

    def send_and_wait(*arguments: Any) -> int:
        sent = real(*arguments)
        assert closed.wait(20)
        return sent

    monkeypatch.setattr(socket, "send_fds", send_and_wait)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")
        listening.listen()
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        address = listening.getsockname()[1:].decode()
        ray_worker.hand_over(address, "script.py", [])
        thread.join()


ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect("\\0" + sys.argv[1])
    given = {"script": sys.argv[2], "arguments": [], "environment": {}, "folder": "/"}
    given |= {"blocked": [], "files": [64, 64], "oom_score_adj": "1000"}
    given |= {"executable": sys.argv[3]}
    data = json.dumps(given).encode() + b"\\n"
    socket.send_fds(server, [data], [1, 2])
    try:
        print(server.recv(100))
    except ConnectionError:
        print(b"")
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be someone else")
def test_it_answers_no_other_user(tmp_path: Path) -> None:
    """An abstract address has no permissions of its own."""
    script = tmp_path / "script.py"
    script.write_text(f"open({str(tmp_path / 'made')!r}, 'w')")
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as driver:
        try:
            assert driver.stdout is not None
            address = driver.stdout.readline().decode().strip()
            ask = ["/usr/bin/env", "python3", "-c", ASK, address, str(script), sys.executable]
            for user, answer in ((65534, "b''"), (0, "b'taken'")):
                done = subprocess.run(
                    ask, capture_output=True, text=True, user=user, cwd="/", timeout=60
                )
                assert done.stdout.strip() == answer, done.stderr
        finally:
            driver.kill()
    deadline = time.monotonic() + 20
    while not (tmp_path / "made").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
