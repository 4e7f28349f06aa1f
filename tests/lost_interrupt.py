"""A Ctrl-C whose KeyboardInterrupt Python drops."""

from __future__ import annotations

import signal

import pytest

dropped = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Marks a test in which `lose_an_interrupt` is called."""


class _Finalized:
    """What a finalizer raises is printed and goes no further."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def lose_an_interrupt() -> None:
    """Get a Ctrl-C in a finalizer."""
    _Finalized()
