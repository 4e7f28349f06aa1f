"""Clusters that grow: machines that come when something waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from raysweep.cluster import autoscaler, signals
from raysweep.cluster.autoscaler import Bundle, Report

LOOK_S = 0.25
"""How often to look whether a machine has come, or more are there."""

REPORTS = 3
"""How many reports in a row have to name a demand, with nothing under way, before it counts as one
that is not met: the autoscaler may look at a demand a round after it has named it."""

FIRST_REPORT_S = 10.0
"""How long an autoscaler that may be there is given to say its first word."""

ASKED_AT_LEAST = 8
"""How many machines' worth are asked for at a time; where more trials are under way, as many."""


def grows(tell: Callable[[str], None] | None = None) -> bool:
    """Whether the cluster has an autoscaler that starts machines. `tell`: where one may be there
    that has said nothing yet, tell so, and wait for its word."""
    deadline = None
    while (said := autoscaler.report()) is None:
        if tell is None or not autoscaler.may_yet_speak():
            return False
        if deadline is None:
            deadline = time.monotonic() + FIRST_REPORT_S
            tell("waiting for the first word of the cluster's autoscaler")
        if time.monotonic() >= deadline:
            tell(f"none came in {FIRST_REPORT_S:g} s: the machines that are there have to do")
            return False
        _pause()
    return said.starts_machines


def bring(bundle: Bundle, tell: Callable[[str], None]) -> bool:
    """Wait until a machine with room for `bundle` is there. False where the autoscaler starts none.

    A placement group asks for it, which goes with this process, whatever becomes of that.
    """
    refused = _Refused(bundle)
    with _asked(bundle) as group:
        while not _is_there(group):
            said = autoscaler.report()
            if said is not None:
                for failure in refused.new_failures(said):
                    tell(f"the cluster could not start a machine ({failure}); waiting on")
                if refused.by(said):
                    return False
            _pause()
    return True


class _Refused:
    """Counts the reports of an autoscaler that knows of a demand, and starts nothing."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._told: set[str] = set()
        self._at: set[float] = set()

    def by(self, said: Report) -> bool:
        """Whether this is the last word: no type of its machines has as much."""
        waits = autoscaler.is_asked(self._bundle, said.asked)
        if not waits or said.under_way or said.failures:
            self._at.clear()
        else:
            self._at.add(said.at)
        return len(self._at) >= REPORTS

    def new_failures(self, said: Report) -> Iterator[str]:
        """Each once."""
        for failure in said.failures:
            if failure not in self._told:
                self._told.add(failure)
                yield " ".join(failure.split())


class Demand:
    """Room for so many more trials, asked of the autoscaler while a sweep runs."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._groups: list[PlacementGroup] = []

    def ask(self, count: int) -> None:
        """For `count` at a time. What is there is given back, for a trial to take."""
        waiting = []
        for group in self._groups:
            if _is_there(group):
                remove_placement_group(group)
            else:
                waiting.append(group)
        for group in waiting[count:]:
            remove_placement_group(group)
        more = range(count - len(waiting))
        self._groups = waiting[:count] + [placement_group([dict(self._bundle)]) for _ in more]


def present() -> Sequence[dict[str, float]]:
    """The resources of each machine that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@contextmanager
def _asked(bundle: Bundle) -> Iterator[PlacementGroup]:
    group = placement_group([dict(bundle)])
    try:
        yield group
    finally:
        remove_placement_group(group)


def _is_there(group: PlacementGroup) -> bool:
    table: dict[str, Any] = placement_group_table(group)
    return bool(table["state"] == "CREATED")


def _pause() -> None:
    signals.raise_if_interrupted()
    time.sleep(LOOK_S)
