"""A Ctrl-C is recorded, even if its KeyboardInterrupt is lost."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from raysweep.cluster import signals

from lost_interrupt import dropped, lose_an_interrupt


@dropped
def test_a_ctrl_c_that_python_drops_is_recorded() -> None:
    with signals.watched():
        signals.raise_if_interrupted()
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            signals.raise_if_interrupted()
        signals.raise_if_interrupted()  # raised once


def test_a_ctrl_c_that_another_handler_swallows_is_recorded() -> None:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with signals.watched():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signals.raise_if_interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_signals_do_not_count() -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        with signals.watched():
            signal.raise_signal(signal.SIGUSR2)
            signals.raise_if_interrupted()
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_nothing_is_recorded_without_a_watch() -> None:
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


def test_another_thread_records_nothing() -> None:
    def watch() -> str:
        with signals.watched():
            signals.raise_if_interrupted()
        return "unharmed"

    with ThreadPoolExecutor() as pool:
        assert pool.submit(watch).result() == "unharmed"


def test_a_ctrl_c_can_be_seen_before_it_is_raised() -> None:
    """In local mode Ray turns it into another error, which must not count as the trial's."""
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


def test_a_commands_sigterm_counts_as_a_ctrl_c() -> None:
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


def test_a_deferred_signal_is_delivered_at_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), signals.deferred():
        signal.raise_signal(signal.SIGINT)
        steps.append("to the end")
    assert steps == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_every_handler_and_the_mask_are_restored() -> None:
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
