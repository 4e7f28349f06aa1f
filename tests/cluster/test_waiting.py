"""The driver's waits end with a Ctrl-C, also with one that Python lost."""

from __future__ import annotations

import time

import pytest

from raysweep.errors import TrackingError
from raysweep.pipeline import signals
from raysweep.pipeline.remote import as_task, wait_for

from lost_interrupt import dropped, lose_an_interrupt


def test_a_wait_gives_the_answer_or_the_tasks_own_error(two_cpus: None) -> None:
    def nap() -> str:  # not at the module's level: a worker could not import it from there
        time.sleep(1.5)
        return "rested"

    def fail() -> None:
        raise TrackingError("its own words")

    assert wait_for(as_task(nap).remote()) == "rested"
    with pytest.raises(TrackingError, match="its own words"):
        wait_for(as_task(fail, max_retries=0).remote())


@dropped
def test_a_lost_interrupt_ends_the_wait(two_cpus: None) -> None:
    began = time.monotonic()
    with signals.watched():
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            wait_for(as_task(lambda: time.sleep(30)).remote())
    assert time.monotonic() - began < 10
