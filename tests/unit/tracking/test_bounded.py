"""A bound for calls that have none of their own."""

from __future__ import annotations

import threading
import time

import pytest

from raysweep.errors import TrackingError
from raysweep.tracking.bounded import within


def test_what_ends_in_time_is_as_if_it_were_called() -> None:
    assert within(30, "add", lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        within(30, "divide", lambda: 1 // 0)


def test_what_does_not_is_given_up_and_cleans_up_when_it_ends() -> None:
    answer, cleaned = threading.Event(), threading.Event()
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"cannot read a page: no answer in 0\.1 s"):
        within(0.1, "read a page", lambda: answer.wait(60), abandoned=cleaned.set)
    assert time.monotonic() - began < 30
    assert not cleaned.is_set()
    answer.set()
    assert cleaned.wait(60)
