"""Ctrl-C and SIGTERM, which Ray and Tune take for themselves, and which Python may drop.

A KeyboardInterrupt that is raised in a finalizer, as of one of the many objects that Tune leaves
behind, is printed and gone; one that comes when Tune's last trial has ended is swallowed by Tune.
So a Ctrl-C is also noted below Python's handlers, whoever they belong to.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from raysweep.cluster.faststart import ray_internals

STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""The signals that end a command: Ctrl-C, `kill` and a batch system, a terminal that closes."""

_noted: socket.socket | None = None
"""Its end to read; None where no sweep watches. A byte for each signal, which is its number."""

_note: socket.socket | None = None
"""The end to write."""

_heeded: frozenset[int] = frozenset({signal.SIGINT})
"""The signals that count as a Ctrl-C."""


@contextmanager
def heeded(numbers: Iterable[int]) -> Iterator[None]:
    """Within it these signals count as a Ctrl-C, too.

    For a command, whose signals they are. A program that calls `run_sweep` decides by its own
    handlers what its SIGTERM means.
    """
    global _heeded
    before = _heeded
    _heeded = before | frozenset(numbers)
    try:
        yield
    finally:
        _heeded = before


@contextmanager
def watched() -> Iterator[None]:
    """Within it, `raise_if_interrupted` knows of each Ctrl-C, whatever became of its exception."""
    global _noted, _note
    if not _in_main_thread():
        yield
        return
    read, write = socket.socketpair()
    with read, write:
        read.setblocking(False)
        write.setblocking(False)
        others = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        _noted, _note = read, write
        try:
            yield
        finally:
            _noted = _note = None
            signal.set_wakeup_fd(others)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if there was a Ctrl-C since `watched` began, or the last such call.

    Not for clean-up: there the first one has been heard already.
    """
    if _heard(0):
        raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether `raise_if_interrupted` would raise.

    In local mode Ray makes a TaskCancelledError of a Ctrl-C that comes in a task.
    """
    return _heard(socket.MSG_PEEK)


def note_if_quit(error: BaseException) -> None:
    """Count `q` in a debugger as a Ctrl-C, where the trials run in the process that has the
    terminal. In pdb it raises BdbQuit in the code that is debugged."""
    if _note is None:
        return
    from bdb import BdbQuit

    from raysweep.config.raised import chain  # all of the config, which `--help` does without

    if any(isinstance(each, BdbQuit) for each in chain(error)):
        _note.send(bytes([signal.SIGINT]))


def is_interrupt(error: BaseException) -> bool:
    """Whether a signal raised `error`, and not the code that it came out of.

    A KeyboardInterrupt or SystemExit may be either, in local mode. To the code of a worker it is a
    signal's only where Ray says so, which exits so at a SIGTERM; SIGINT is blocked there.
    """
    if hasattr(error, "ray_terminate_msg"):
        return True
    return isinstance(error, (KeyboardInterrupt, SystemExit)) and _heard(
        socket.MSG_PEEK, _heeded | {signal.SIGTERM}
    )


def _heard(flags: int, numbers: frozenset[int] | None = None) -> bool:
    if _noted is None:
        return False
    try:
        return not (numbers or _heeded).isdisjoint(_noted.recv(4096, flags))
    except BlockingIOError:
        return False


def end_at_once() -> None:
    """End this process, and Ray's that it started, without another word."""
    try:
        ray_internals.kill_started()
    finally:
        os._exit(130)


@contextmanager
def given_back() -> Iterator[None]:
    """When the block ends, the handlers are those from before it.

    `ray.init` sets one for SIGTERM that exits without a word, and `Tuner.fit` one for SIGINT that
    swallows the first Ctrl-C after it, and one for SIGUSR1. Where SIGTERM had the kernel's default,
    Ray's handler stays: it ends Ray's processes, which the default would not. `as_before` takes
    that one back when the sweep, and its Ray, have ended.
    """
    with _restored(keep=lambda number, before: number == signal.SIGTERM and not _set(before)):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """Within it, what would stop this process waits for the end of the block, and is then heard.

    For Ray's driver while it joins: one that is interrupted there ends with a segmentation fault.
    """
    if not _in_main_thread():
        yield
        return
    late: list[int] = []
    heard = [number for number in STOPS if callable(signal.getsignal(number))]
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, _: late.append(number)) for number in heard
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # also in place of Ray's own, below Python
        if signal.SIGTERM in late:
            signal.alarm(0)  # with which that one would abort the process in 3 s
        for number in late:
            before[number](number, None)


@contextmanager
def as_before() -> Iterator[None]:
    """When the block ends, every signal's handler and this thread's mask are those from before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with _restored(keep=lambda number, before: False):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _restored(keep: Callable[[int, Any], bool]) -> Iterator[None]:
    """Give back each handler that has changed, but where `keep(signal, former handler)`."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            known = handler is not None  # None: set below Python, where it cannot be set again
            if known and signal.getsignal(number) != handler and not keep(number, handler):
                signal.signal(number, handler)


def _set(handler: Any) -> bool:
    """Whether somebody has chosen it: a function, or to ignore the signal."""
    return callable(handler) or handler is signal.SIG_IGN


def _in_main_thread() -> bool:
    """Only there can handlers be set."""
    return threading.current_thread() is threading.main_thread()
