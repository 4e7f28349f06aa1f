"""Handle Ctrl-C and SIGTERM, for which Ray and Tune set handlers, and which Python may drop.

Python prints and drops a KeyboardInterrupt that is raised in a finalizer, such as those of the many
objects that Tune leaves behind. Tune swallows one that arrives after its last trial has ended. So a
Ctrl-C is also recorded below Python's handlers, also those that another library has set.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from raysweep.cluster.faststart import ray_internals

STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""The signals that end a command: Ctrl-C, `kill` and a batch system, a terminal that closes."""

_noted: socket.socket | None = None
"""The socket from which recorded signals are read, a byte each: the signal's number. None where no
sweep watches."""

_note: socket.socket | None = None
"""The socket's other end, to write."""

_interrupting: frozenset[int] = frozenset({signal.SIGINT})
"""The signals that count as a Ctrl-C."""


LOST_S = 3.0
"""Seconds that a Ray process may have been gone before a command that is stopping gives Ray up. Ray
takes a process that it has ended itself off its list within a second."""

_last_words: Callable[[], str] | None = None
"""Makes the last line of a command that gives Ray up."""


_stopping = False
"""Whether a signal is ending the command."""


@contextmanager
def interrupting(numbers: Iterable[int]) -> Iterator[None]:
    """Make these signals count as a Ctrl-C, too, within the block.

    Only a command does so. A program that calls `run_sweep` decides by its own handlers what its
    SIGTERM means.
    """
    global _interrupting
    before = _interrupting
    _interrupting = before | frozenset(numbers)
    try:
        yield
    finally:
        _interrupting = before


@contextmanager
def watched() -> Iterator[None]:
    """Record every Ctrl-C within the block for `raise_if_interrupted`, even if its exception is
    lost."""
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
    """Raise KeyboardInterrupt if there was a Ctrl-C since `watched` began, or since the last call.

    Do not call it in clean-up code, which may run because of that Ctrl-C.
    """
    if _received(0):
        raise KeyboardInterrupt


def interrupted() -> bool:
    """Return whether `raise_if_interrupted` would raise.

    In local mode Ray turns a Ctrl-C during a task into a TaskCancelledError.
    """
    return _received(socket.MSG_PEEK)


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
    """Return whether a signal raised `error`, not the code that it came from.

    In local mode a KeyboardInterrupt or SystemExit may come from either. In a worker it is a
    signal's only if Ray has marked it, as it does at a SIGTERM; SIGINT is blocked there.
    """
    if hasattr(error, "ray_terminate_msg"):
        return True
    return isinstance(error, (KeyboardInterrupt, SystemExit)) and _received(
        socket.MSG_PEEK, _interrupting | {signal.SIGTERM}
    )


def _received(flags: int, numbers: frozenset[int] | None = None) -> bool:
    """Return whether one of these signals was recorded; by default, those that interrupt."""
    if _noted is None:
        return False
    try:
        return not (numbers or _interrupting).isdisjoint(_noted.recv(4096, flags))
    except BlockingIOError:
        return False


def end_at_once() -> None:
    """Kill the Ray processes that this process started, and exit without clean-up."""
    try:
        ray_internals.kill_started()
    finally:
        os._exit(130)


@contextmanager
def last_words(words: Callable[[], str]) -> Iterator[None]:
    """Make `words` the last line of a command that ends in the block because its Ray has ended."""
    global _last_words
    before, _last_words = _last_words, words
    try:
        yield
    finally:
        _last_words = before


def is_stopping() -> bool:
    """Return whether a signal is ending the command."""
    return _stopping


def give_up_lost_ray() -> None:
    """Until `stopped`: end the command at once if the Ray that it started has ended.

    `timeout`, systemd and batch systems send SIGTERM to all processes of a command. Ray's end at
    it, and the driver's calls would wait for them a minute, until Ray aborts the process.
    """
    global _stopping
    _stopping = True
    threading.Thread(target=_give_up_lost_ray, daemon=True).start()


def stopped() -> None:
    """Say that the command has ended. Its process may be another program's, which called it."""
    global _stopping
    _stopping = False


def _give_up_lost_ray() -> None:
    lost_s = 0.0
    while lost_s < LOST_S:
        time.sleep(LOST_S / 10)
        if not _stopping:
            return
        lost_s = lost_s + LOST_S / 10 if ray_internals.has_lost_one() else 0.0
    if _last_words is not None:
        with suppress(OSError):
            os.write(2, f"raysweep: {_last_words()}\n".encode(errors="replace"))
    end_at_once()


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Restore the signal handlers at the end of the block.

    `ray.init` sets a handler for SIGTERM that exits silently. `Tuner.fit` sets one for SIGINT that
    swallows the first Ctrl-C after it, and one for SIGUSR1. If SIGTERM had the kernel's default,
    Ray's handler stays: it ends Ray's processes, which the default would not.
    `handlers_and_mask_restored` removes that one when the sweep and its Ray have ended.
    """
    with _restored(keep=lambda number, before: number == signal.SIGTERM and not _is_set(before)):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """Defer the signals that would stop this process to the end of the block.

    For Ray's driver while it joins: if interrupted there, it ends with a segmentation fault.
    """
    if not _in_main_thread():
        yield
        return
    late: list[int] = []
    handled = [number for number in STOPS if callable(signal.getsignal(number))]
    before: dict[int, Any] = {
        number: signal.signal(number, lambda number, _: late.append(number)) for number in handled
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # also replaces Ray's own, below Python
        if signal.SIGTERM in late:
            signal.alarm(0)  # Ray's handler set it, to abort the process after 3 s
        for number in late:
            before[number](number, None)


@contextmanager
def handlers_and_mask_restored() -> Iterator[None]:
    """Restore every signal's handler and this thread's signal mask at the end of the block."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with _restored(keep=lambda number, before: False):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _restored(keep: Callable[[int, Any], bool]) -> Iterator[None]:
    """Restore each handler that has changed, unless `keep(signal, former handler)`."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            restorable = handler is not None  # None: set below Python, so Python cannot set it
            if restorable and signal.getsignal(number) != handler and not keep(number, handler):
                signal.signal(number, handler)


def _is_set(handler: Any) -> bool:
    """Return whether the handler was set: to a function, or to ignore the signal."""
    return callable(handler) or handler is signal.SIG_IGN


def _in_main_thread() -> bool:
    """Return whether this is the main thread, the only one that can set handlers."""
    return threading.current_thread() is threading.main_thread()
