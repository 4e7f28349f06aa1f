"""Workers of a Ray of one's own as copies of one process that has imported what they need.

A worker of Ray's begins with imports (Ray, Tune, torch) that take 2 s of a CPU, and a sweep has
five workers and more. Three processes share the work instead: the driver starts the server
(`running`), which imports once; Ray's raylet starts `ray_worker.py` for each worker, which hands
over what it was given, and is gone; the server forks, and the copy runs Ray's own worker script.

A fork has the caller's thread alone, and whatever a random generator below Python has drawn. Where
a copy could come to harm by that, the server ends; and where it has ended, `ray_worker.py` becomes
Ray's worker by itself, as without any of this.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from select import select
from typing import Any

SOCKET = "RAYSWEEP_FORK_SERVER"
"""The environment variable that tells a worker the server's (abstract) address."""

WORKER = Path(__file__).with_name("ray_worker.py")

BEFORE_RAY = (
    "pandas",
    "torch",
    "trackio",
    "raysweep.ml.eager",
    "raysweep.ml.inference",
    "raysweep.ml.preprocess",
    "raysweep.ml.training",
)
"""Imported while Ray's own processes start."""

WITH_RAY = (
    "raysweep.pipeline.cluster.keeper",
    "raysweep.pipeline.stages.evaluator",
    "raysweep.pipeline.stages.stages",
    "raysweep.pipeline.trials.trainable",
)
"""Imported for the first worker: Ray reads its variables, the raylet's id among them, once, when it
is imported. With the former, these are all that a sweep's workers need."""

TITLE = "raysweep::ForkServer"

TAKEN = b"1"
"""What a copy answers to `ray_worker.py`, which becomes Ray's worker itself where nobody does."""

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
def running() -> Iterator[None]:
    """Within it this process has a server, unless the system allows none."""
    global _address
    if _address or sys.platform != "linux":
        yield
        return
    try:
        server, _address = _start()
    except OSError:  # who may start no process will be told so where one is needed
        yield
        return
    try:
        yield
    finally:
        _address = None
        server.kill()
        server.communicate()


def _start() -> tuple[subprocess.Popen[bytes], str]:
    """The server, and its address."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # the kernel chooses an abstract address, which leaves no file
        listening.listen(64)
        server = subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno()), json.dumps(_search_path())],
            stdin=subprocess.PIPE,  # its end tells the server that the driver is gone, however
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**SETTINGS, **os.environ},
            pass_fds=[listening.fileno()],
            start_new_session=True,  # a Ctrl-C in the terminal is the driver's to tell
        )
        return server, listening.getsockname()[1:].decode()


def running_for(
    address: str | None, *, local_mode: bool, verbose: bool
) -> AbstractContextManager[None]:
    """`running` for a sweep with those options; nothing for one that starts no Ray, or no workers,
    or is asked to show what Ray itself would do."""
    return nullcontext() if address or local_mode or verbose else running()


def _search_path() -> list[str]:
    """Where the driver would find a module."""
    return [str(Path(entry).absolute()) for entry in sys.path]


def main(listening: socket.socket) -> None:
    """Serve until the driver is gone; in a copy, be a worker until Ray ends it."""
    with listening:
        asked = serve(listening)
    if asked:
        _become_worker(*asked)


def serve(listening: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """In each copy, what it was asked to be. None when the driver is gone."""
    for module in BEFORE_RAY:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    settings: dict[str, str] | None = None
    while True:
        ready, _, _ = select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return None
        connection, _ = listening.accept()
        with connection:
            asked = _receive(connection)
            if asked is None:
                continue
            given, streams = asked
            if settings is None:
                settings = _ray_settings(given)
                _import_ray(settings)
            if settings == _ray_settings(given) and os.fork() == 0:
                connection.send(TAKEN)  # by the copy itself: no worker is ever started twice
                return asked
            for stream in streams:
                os.close(stream)


def _ray_settings(given: dict[str, Any]) -> dict[str, str]:
    environment: dict[str, str] = given["environment"]
    said = {name: value for name, value in environment.items() if name.startswith("RAY_")}
    return {**said, "RAY_JOB_ID": NO_JOB}


def _import_ray(settings: dict[str, str]) -> None:
    """Raises RuntimeError where this process cannot be copied."""
    os.environ.update(settings)
    with ids_from_the_kernel():
        for module in WITH_RAY:
            importlib.import_module(module)
    raylet: Any = importlib.import_module("ray._raylet")
    raylet.setproctitle(TITLE)  # notes where titles are, which a new environment would hide
    if threads := len(list(Path("/proc/self/task").iterdir())) - 1:
        raise RuntimeError(f"imports have started {threads} threads, which a copy would not have")
    if _drawn_by_a_copy() == _drawn_by_a_copy():
        raise RuntimeError("Ray has drawn a random id, and all copies would draw the same")
    gc.collect()
    gc.freeze()  # a collection in a copy would write to, and so copy, every page


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
    from ray import ObjectRef

    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, ObjectRef.from_random().binary())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as drawn:
        return drawn.read()


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """What `ray_worker.py` was started with, and its stdout and stderr; None from someone else."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if int.from_bytes(credentials[4:8], sys.byteorder) != os.getuid():
        return None
    data, streams, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    while not data.endswith(b"\n"):
        if not (more := connection.recv(1 << 16)):
            return None  # it was killed half way
        data += more
    return json.loads(data), streams


def _become_worker(given: dict[str, Any], streams: list[int]) -> None:
    """Be, in this copy, the process that Ray has asked for."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, given["blocked"])
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.argv = [given["script"], *given["arguments"]]
    runpy.run_path(given["script"], run_name="__main__")


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[2])
    main(socket.socket(fileno=int(sys.argv[1])))
