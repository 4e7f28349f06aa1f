"""A Ctrl-C is known of, whatever became of its KeyboardInterrupt."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from raysweep.cluster import signals

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


def test_one_is_known_of_before_it_is_raised() -> None:
    """In local mode Ray makes another error of it, which is not to be taken for the trial's."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with signals.watched():
            assert not signals.interrupted()
            signal.raise_signal(signal.SIGINT)
            assert signals.interrupted()
            with pytest.raises(KeyboardInterrupt):
                signals.raise_if_interrupted()
            assert not signals.interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_commands_sigterm_counts_where_it_is_heeded() -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with signals.watched():
            signal.raise_signal(signal.SIGTERM)
            signals.raise_if_interrupted()
            with signals.interrupting({signal.SIGTERM}):
                signal.raise_signal(signal.SIGTERM)
                with pytest.raises(KeyboardInterrupt):
                    signals.raise_if_interrupted()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_that_is_deferred_is_heard_in_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), signals.deferred():
        signal.raise_signal(signal.SIGINT)
        steps.append("to the end")
    assert steps == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_every_handler_and_the_mask_are_given_back() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with signals.handlers_and_mask_restored():
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_an_ignored_sigterm_stays_so_when_ray_sets_its_own_handler() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals.handlers_restored():
            signal.signal(signal.SIGTERM, lambda *_: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
