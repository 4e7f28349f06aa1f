"""A Ctrl-C is known of, whatever became of its KeyboardInterrupt."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from raysweep.pipeline.cluster import signals

from lost_interrupt import dropped, lose_an_interrupt


@dropped
def test_one_that_python_drops() -> None:
    with signals.watched():
        signals.raise_if_interrupted()
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            signals.raise_if_interrupted()
        signals.raise_if_interrupted()  # told once


def test_one_that_somebody_elses_handler_swallows() -> None:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with signals.watched():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signals.raise_if_interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_signals_are_none_of_it() -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        with signals.watched():
            signal.raise_signal(signal.SIGUSR2)
            signals.raise_if_interrupted()
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_nothing_is_known_when_nobody_watches() -> None:
    with signals.watched(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signals.raise_if_interrupted()


def test_an_event_loop_gets_its_wakeup_back() -> None:
    read, write = socket.socketpair()
    with read, write:
        write.setblocking(False)
        before = signal.set_wakeup_fd(write.fileno())
        try:
            with signals.watched():
                pass
        finally:
            assert signal.set_wakeup_fd(before) == write.fileno()


def test_another_thread_watches_nothing_and_is_let_be() -> None:
    def watch() -> str:
        with signals.watched():
            signals.raise_if_interrupted()
        return "unharmed"

    with ThreadPoolExecutor() as pool:
        assert pool.submit(watch).result() == "unharmed"
