"""Fork Ray's workers from one process that has imported what they need.

A Ray worker starts with imports (Ray, Tune, perhaps torch) that take 2 s of a CPU, and a sweep has
five workers or more. Instead, the driver starts the fork server (`running`), which imports once.
For each worker the raylet starts `ray_worker.py`, which sends its arguments and environment to the
server, and exits. The server forks, and the child runs Ray's own worker script.

After `fork()` only the calling thread exists, all children share the state of C-level random
generators, and CUDA cannot be used if it was initialised. The server checks for these, and exits
with a message if any applies. If no server answers, `ray_worker.py` execs Ray's worker script.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import resource
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from select import POLLIN, poll
from typing import Any

from raysweep.cluster.faststart.probe import switched_off
from raysweep.cluster.faststart.ray_worker import TAKEN, peer

SOCKET = "RAYSWEEP_FORK_SERVER"
"""The environment variable with the server's (abstract) address."""

SCRIPT = "RAYSWEEP_WORKER_SCRIPT"
"""The environment variable with the script that Ray would have started."""

SERVER = """import sys
sys.path[:] = sys.argv[3:]
from raysweep.cluster.faststart import fork_server
fork_server.main(int(sys.argv[1]), sys.argv[2])"""
"""The server's code. It gets the driver's module search path."""

WORKER = Path(__file__).with_name("ray_worker.py")

BEFORE_RAY = ("pandas", "trackio")
WITH_RAY = ("raysweep.cluster.writer", "raysweep.trials.trainable")
"""What the workers of any sweep need (see Preload)."""


@dataclass(frozen=True)
class Preload:
    """The modules that the workers of one kind of trials need, besides those of any sweep.

    `before_ray`: imported while Ray's own processes start; they must not import Ray. `with_ray`:
    imported for the first worker, since Ray reads its variables, such as the raylet's id, once, at
    its import.
    """

    before_ray: tuple[str, ...] = ()
    with_ray: tuple[str, ...] = ()


NOTHING = Preload()

TITLE = "raysweep::ForkServer"

PATIENCE_S = 10
"""How long the server waits for a client's whole request."""

NO_JOB = "ffffffff"
"""The job id of workers that Ray starts before there is a job; they learn it from their first task.
Forked workers all start so."""

SETTINGS = {
    "OMP_NUM_THREADS": "1",  # Ray's value for tasks with one CPU; a trial sets its own
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Without these, importing NumPy and Arrow starts threads. They are not passed on to workers."""

_address: str | None = None


def address() -> str | None:
    """Return the address of this process's fork server; None if it has none."""
    return _address


@contextmanager
def running(preload: Preload = NOTHING) -> Iterator[None]:
    """Run a fork server in the block, unless the system does not allow it. One that runs already
    stays, with the modules that it has."""
    global _address
    if _address or sys.platform != "linux":
        yield
        return
    try:
        server, _address = _start(preload)
    except OSError:  # Ray reports it when it cannot start a process, either
        yield
        return
    try:
        yield
    finally:
        _address = None
        server.kill()
        server.communicate()


def _start(preload: Preload) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server; return it and its address."""
    python = [sys.executable, "-c", SERVER]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # the kernel chooses an abstract address, which leaves no file
        listening.listen(64)
        server = subprocess.Popen(
            [*python, str(listening.fileno()), json.dumps(asdict(preload)), *_search_path()],
            stdin=subprocess.PIPE,  # closed when the driver ends, however: the server then exits
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**SETTINGS, **os.environ},
            pass_fds=[listening.fileno()],
        )
        return server, listening.getsockname()[1:].decode()


def running_for(
    address: str | None,
    preload: Preload = NOTHING,
    *,
    local_mode: bool,
    fast_start: bool = True,
) -> AbstractContextManager[None]:
    """Return `running` for a sweep with these options; a null context if the sweep starts no Ray or
    no workers, or if the fast start is switched off."""
    unneeded = address or local_mode or not fast_start or switched_off()
    return nullcontext() if unneeded else running(preload)


def _search_path() -> list[str]:
    """Return the driver's module search path, made absolute."""
    return [str(Path(entry).absolute()) for entry in sys.path]


def main(handle: int, preload: str) -> None:
    """Serve until the driver ends; in a forked child, be a worker until Ray ends it. `preload`: a
    Preload as JSON."""
    os.setpgrp()  # only the driver handles a Ctrl-C in the terminal
    with socket.socket(fileno=handle) as listening:
        asked = serve(listening, Preload(**json.loads(preload)))
    if asked:
        _become_worker(*asked)


def serve(
    listening: socket.socket, preload: Preload = NOTHING
) -> tuple[dict[str, Any], list[int]] | None:
    """Fork workers on request. Returns the request in each child, and None when the driver ends.

    All forked workers get the Ray variables of the first request.
    """
    for module in (*BEFORE_RAY, *preload.before_ray):
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the children are not waited for
    settings: dict[str, str] | None = None
    waiting = poll()
    waiting.register(listening, POLLIN)
    waiting.register(sys.stdin, POLLIN)
    while True:
        if sys.stdin.fileno() in dict(waiting.poll()):
            return None
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            asked = _receive(connection)
            if asked is None:
                continue
            given, streams = asked
            if settings is None:
                settings = _ray_settings(given)
                try:
                    _import_ray(settings, preload)
                except (ImportError, RuntimeError) as error:
                    connection.send(str(error).encode())
                    raise
            if settings != _ray_settings(given) or not _same_python(given):
                connection.send(b"its settings are others than those of the first")
            elif os.fork() == 0:
                connection.send(TAKEN)  # the child sends it: so no worker is started twice
                return asked
            for stream in streams:
                os.close(stream)


def _ray_settings(given: dict[str, Any]) -> dict[str, str]:
    environment: dict[str, str] = given["environment"]
    said = {name: value for name, value in environment.items() if name.startswith("RAY_")}
    return {**said, "RAY_JOB_ID": NO_JOB}


def _same_python(given: dict[str, Any]) -> bool:
    """Return whether the worker would have this interpreter and the same PYTHONPATH."""
    path = given["environment"].get("PYTHONPATH")
    return bool(given["executable"] == sys.executable and path == os.environ.get("PYTHONPATH"))


def _import_ray(settings: dict[str, str], preload: Preload) -> None:
    """Import Ray with these variables. Raises RuntimeError if forking would not be safe."""
    os.environ.update(settings)
    with ids_from_the_kernel():
        for module in (*WITH_RAY, *preload.with_ray):
            importlib.import_module(module)
    raylet: Any = importlib.import_module("ray._raylet")
    raylet.setproctitle(TITLE)  # finds the title's memory, which a new environment would hide
    require_one_thread()
    drawn = _drawn_by_a_copy()
    if not drawn:
        raise RuntimeError("imports have begun to use CUDA, which a copy cannot")
    if drawn == _drawn_by_a_copy():
        raise RuntimeError("imports have drawn a random id of Ray's, and so would all copies")
    gc.collect()
    gc.freeze()  # a collection in a child would write to every page, and so copy it


def require_one_thread() -> None:
    """Raise RuntimeError if there are other threads: a child could wait forever for their locks."""
    if others := len(list(Path("/proc/self/task").iterdir())) - 1:
        raise RuntimeError(f"imports have started {others} threads, which a copy would not have")


def draw_anew() -> None:
    """Seed the random generators anew in a forked child."""
    random.seed()
    sys.modules["numpy"].random.seed()


@contextmanager
def ids_from_the_kernel() -> Iterator[None]:
    """Draw the ids of actor classes from the kernel in the block. Ray's own generator would be
    seeded by the first draw, and all children would then draw the same ids."""
    actor: Any = importlib.import_module("ray.actor")
    real = actor.ActorClassID

    class FromKernel(real):  # type: ignore[misc, valid-type]
        @classmethod
        def from_random(cls) -> Any:
            return real(os.urandom(real.size()))

    actor.ActorClassID = FromKernel
    try:
        yield
    finally:
        actor.ActorClassID = real


def _drawn_by_a_copy() -> bytes:
    """Return a random id that Ray draws in a forked child; b"" if the child could not use CUDA."""
    from ray import ObjectRef

    torch = sys.modules.get("torch")

    read, write = os.pipe()
    if os.fork() == 0:
        if torch is None or not torch.cuda._is_in_bad_fork():
            os.write(write, ObjectRef.from_random().binary())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as drawn:
        return drawn.read()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive the state of a `ray_worker.py`, and its stdout and stderr.

    Returns None for another user, and for a client that ends or stops before it has sent all.
    """
    if peer(connection) != os.getuid():
        return None
    streams: list[int] = []
    try:
        data, streams, _, _ = socket.recv_fds(connection, 1 << 16, 2)
        while not data.endswith(b"\n"):
            more = connection.recv(1 << 16)
            if not more:
                raise ConnectionError
            data += more
    except OSError:
        for stream in streams:
            os.close(stream)
        return None
    return json.loads(data), streams


def _become_worker(given: dict[str, Any], streams: list[int]) -> None:
    """Run Ray's worker script in this child, with the state that was received."""
    os.setpgrp()  # Ray, or its user, may kill a worker's whole process group
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    resource.setrlimit(resource.RLIMIT_NOFILE, given["files"])  # the raylet's, as Ray raises it
    with suppress(OSError):  # the score can only be raised
        Path("/proc/self/oom_score_adj").write_text(given["oom_score_adj"])
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, given["blocked"])
    draw_anew()
    sys.argv = [given["script"], *given["arguments"]]
    runpy.run_path(given["script"], run_name="__main__")
