"""Workers of a Ray of one's own as copies of one process that has imported what they need.

A worker of Ray's begins with imports (Ray, Tune, perhaps torch) that take 2 s of a CPU, and a sweep
has five workers and more. Three processes share the work instead: the driver starts the server
(`running`), which imports once; Ray's raylet starts `ray_worker.py` for each worker, which hands
over what it was given, and is gone; the server forks, and the copy runs Ray's own worker script.

After `fork()` only the calling thread exists, all children share the state of C-level random
generators, and CUDA cannot be used if it was initialised. The server checks for these, and exits
with a message if any applies. If no server answers, `ray_worker.py` becomes Ray's worker itself.
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
"""The environment variable that tells a worker the server's (abstract) address."""

SCRIPT = "RAYSWEEP_WORKER_SCRIPT"
"""The environment variable that tells a worker the script that Ray would have started."""

SERVER = """import sys
sys.path[:] = sys.argv[3:]
from raysweep.cluster.faststart import fork_server
fork_server.main(int(sys.argv[1]), sys.argv[2])"""
"""The server's code: it finds a module where the driver would."""

WORKER = Path(__file__).with_name("ray_worker.py")

BEFORE_RAY = ("pandas", "trackio")
WITH_RAY = ("raysweep.cluster.keeper", "raysweep.trials.trainable")
"""What the workers of any sweep need (see Preload)."""


@dataclass(frozen=True)
class Preload:
    """The modules that the workers of one kind of trials need, besides those of any sweep.

    `before_ray`: imported while Ray's own processes start; they must not import Ray. `with_ray`:
    imported for the first worker, since Ray reads its variables, the raylet's id among them, once,
    when it is imported.
    """

    before_ray: tuple[str, ...] = ()
    with_ray: tuple[str, ...] = ()


NOTHING = Preload()

TITLE = "raysweep::ForkServer"

PATIENCE_S = 10
"""How long the server waits for one who asks to have said all."""

NO_JOB = "ffffffff"
"""The job's id of those workers that Ray starts before it knows of a job; their first task tells
them of it. Here all of them start so."""

SETTINGS = {
    "OMP_NUM_THREADS": "1",  # as Ray has it where a task has one CPU; a trial sets its own count
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Without them, importing NumPy and Arrow starts threads. A worker's environment has neither."""

_address: str | None = None


def address() -> str | None:
    """That of this process's server, if it has one."""
    return _address


@contextmanager
def running(preload: Preload = NOTHING) -> Iterator[None]:
    """Within it this process has a server, unless the system allows none. One that runs already
    stays, with the modules that it has."""
    global _address
    if _address or sys.platform != "linux":
        yield
        return
    try:
        server, _address = _start(preload)
    except OSError:  # who may start no process will be told so where one is needed
        yield
        return
    try:
        yield
    finally:
        _address = None
        server.kill()
        server.communicate()


def _start(preload: Preload) -> tuple[subprocess.Popen[bytes], str]:
    """The server, and its address."""
    python = [sys.executable, "-c", SERVER]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # the kernel chooses an abstract address, which leaves no file
        listening.listen(64)
        server = subprocess.Popen(
            [*python, str(listening.fileno()), json.dumps(asdict(preload)), *_search_path()],
            stdin=subprocess.PIPE,  # its end tells the server that the driver is gone, however
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
    """`running` for a sweep with those options; nothing for one that starts no Ray, or no workers,
    or has the fast start switched off."""
    unneeded = address or local_mode or not fast_start or switched_off()
    return nullcontext() if unneeded else running(preload)


def _search_path() -> list[str]:
    """Where the driver would find a module."""
    return [str(Path(entry).absolute()) for entry in sys.path]


def main(handle: int, preload: str) -> None:
    """Serve until the driver is gone; in a copy, be a worker until Ray ends it. `preload`: a
    Preload as JSON."""
    os.setpgrp()  # a Ctrl-C in the terminal is the driver's to tell
    with socket.socket(fileno=handle) as listening:
        asked = serve(listening, Preload(**json.loads(preload)))
    if asked:
        _become_worker(*asked)


def serve(
    listening: socket.socket, preload: Preload = NOTHING
) -> tuple[dict[str, Any], list[int]] | None:
    """In each copy, what it was asked to be. None when the driver is gone.

    The first worker that is asked for decides which of Ray's variables all have that are copied.
    """
    for module in (*BEFORE_RAY, *preload.before_ray):
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
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
                connection.send(TAKEN)  # by the copy itself: no worker is ever started twice
                return asked
            for stream in streams:
                os.close(stream)


def _ray_settings(given: dict[str, Any]) -> dict[str, str]:
    environment: dict[str, str] = given["environment"]
    said = {name: value for name, value in environment.items() if name.startswith("RAY_")}
    return {**said, "RAY_JOB_ID": NO_JOB}


def _same_python(given: dict[str, Any]) -> bool:
    """Whether it would have been started by our interpreter, and found the same modules."""
    path = given["environment"].get("PYTHONPATH")
    return bool(given["executable"] == sys.executable and path == os.environ.get("PYTHONPATH"))


def _import_ray(settings: dict[str, str], preload: Preload) -> None:
    """Raises RuntimeError where this process cannot be copied."""
    os.environ.update(settings)
    with ids_from_the_kernel():
        for module in (*WITH_RAY, *preload.with_ray):
            importlib.import_module(module)
    raylet: Any = importlib.import_module("ray._raylet")
    raylet.setproctitle(TITLE)  # notes where titles are, which a new environment would hide
    require_one_thread()
    drawn = _drawn_by_a_copy()
    if not drawn:
        raise RuntimeError("imports have begun to use CUDA, which a copy cannot")
    if drawn == _drawn_by_a_copy():
        raise RuntimeError("imports have drawn a random id of Ray's, and so would all copies")
    gc.collect()
    gc.freeze()  # a collection in a copy would write to, and so copy, every page


def require_one_thread() -> None:
    """Raises RuntimeError where there are others: they may hold a lock that a copy waits for."""
    if others := len(list(Path("/proc/self/task").iterdir())) - 1:
        raise RuntimeError(f"imports have started {others} threads, which a copy would not have")


def draw_anew() -> None:
    """In a copy: its random numbers are its own."""
    random.seed()
    sys.modules["numpy"].random.seed()


@contextmanager
def ids_from_the_kernel() -> Iterator[None]:
    """Within it, the ids of classes that are made actors come from the kernel: Ray's own generator
    would be seeded, and all copies then draw the same ids from it."""
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
    """A random id; nothing from a copy that could not use CUDA."""
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
    """What `ray_worker.py` was started with, and its stdout and stderr.

    None from someone else, or from one that ends, or stops, half way.
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
    """Be, in this copy, the process that Ray has asked for."""
    os.setpgrp()  # Ray, or its user, may end a worker's whole group
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    resource.setrlimit(resource.RLIMIT_NOFILE, given["files"])  # Ray raises its own, and so theirs
    with suppress(OSError):  # who is ended first when memory is short; it can only be raised
        Path("/proc/self/oom_score_adj").write_text(given["oom_score_adj"])
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, given["blocked"])
    draw_anew()
    sys.argv = [given["script"], *given["arguments"]]
    runpy.run_path(given["script"], run_name="__main__")
