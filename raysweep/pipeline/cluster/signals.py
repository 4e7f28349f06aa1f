"""Ctrl-C and SIGTERM, which Ray and Tune take for themselves, and which Python may drop.

A KeyboardInterrupt that is raised in a finalizer, as of one of the many objects that Tune leaves
behind, is printed and gone; one that comes when Tune's last trial has ended is swallowed by Tune.
So a Ctrl-C is also noted below Python's handlers, whoever they belong to.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

_noted: socket.socket | None = None
"""Its end to read; None where no sweep watches. A byte for each signal, which is its number."""


@contextmanager
def watched() -> Iterator[None]:
    """Within it, `raise_if_interrupted` knows of each Ctrl-C, whatever became of its exception."""
    global _noted
    if not _in_main_thread():
        yield
        return
    read, write = socket.socketpair()
    with read, write:
        read.setblocking(False)
        write.setblocking(False)
        others = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        _noted = read
        try:
            yield
        finally:
            _noted = None
            signal.set_wakeup_fd(others)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C since `watched` began, or the last such call.

    Not for clean-up: there the first one has been heard already.
    """
    if _noted is None:
        return
    try:
        numbers = _noted.recv(4096)
    except BlockingIOError:
        return
    if signal.SIGINT in numbers:
        raise KeyboardInterrupt


def is_interrupt(error: BaseException) -> bool:
    """Whether a signal raised `error`, and not the code that it came out of.

    A KeyboardInterrupt or SystemExit may be either, in local mode. To the code of a worker it is a
    signal's only where Ray says so, which exits so at a SIGTERM; SIGINT is blocked there.
    """
    if hasattr(error, "ray_terminate_msg"):
        return True
    if _noted is None or not isinstance(error, (KeyboardInterrupt, SystemExit)):
        return False
    try:
        numbers = _noted.recv(4096, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return signal.SIGINT in numbers or signal.SIGTERM in numbers


def end_at_once() -> None:
    """End this process, and Ray's that it started, without another word."""
    if worker := sys.modules.get("ray._private.worker"):
        started = worker._global_node.all_processes if worker._global_node else {}
        for info in chain.from_iterable(started.values()):
            info.process.kill()
    os._exit(130)


@contextmanager
def given_back() -> Iterator[None]:
    """When the block ends, the handlers are those from before it.

    `ray.init` sets one for SIGTERM that exits without a word, and `Tuner.fit` one for SIGINT that
    swallows the first Ctrl-C after it. Where the process had none of its own, Ray's stays: it ends
    Ray's processes, which the kernel's default would not.
    """
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)


def _in_main_thread() -> bool:
    """Only there can handlers be set."""
    return threading.current_thread() is threading.main_thread()
