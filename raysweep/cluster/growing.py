"""Request machines from the autoscaler of a cluster that can grow, and wait for them."""

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
"""How often to poll for new machines."""

REPORTS = 3
"""The number of reports in a row that must list a demand, with no machine being started, before it
counts as refused: the autoscaler may handle a demand one round after it has listed it."""

FIRST_REPORT_S = 10.0
"""How long to wait for the first report of an autoscaler that may exist."""

ASKED_AT_LEAST = 8
"""The minimal number of trials' worth of resources to request at a time. If more trials are
running, their number is requested."""


def grows(notify: Callable[[str], None] | None = None) -> bool:
    """Return whether the cluster has an autoscaler that starts machines.

    With `notify`, wait for the first report of an autoscaler that may exist, and call `notify` with
    a line that says so.
    """
    deadline = None
    while (report := autoscaler.report()) is None:
        if notify is None or not autoscaler.may_report_soon():
            return False
        if deadline is None:
            deadline = time.monotonic() + FIRST_REPORT_S
            notify("waiting for the first report of the cluster's autoscaler")
        if time.monotonic() >= deadline:
            notify(f"no report within {FIRST_REPORT_S:g} s: using the machines that are there")
            return False
        _pause()
    return report.starts_machines


def wait_for_machine(bundle: Bundle, notify: Callable[[str], None]) -> bool:
    """Wait until a machine has room for `bundle`. Returns False if the autoscaler starts none.

    The request is a placement group: Ray removes it when this process ends, however that happens.
    """
    refused = _Refused(bundle)
    with _requested(bundle) as group:
        while not _is_placed(group):
            report = autoscaler.report()
            if report is not None:
                for failure in refused.new_failures(report):
                    notify(f"the cluster could not start a machine ({failure}); still waiting")
                if refused.by(report):
                    return False
            _pause()
    return True


class _Refused:
    """Counts the reports of an autoscaler that lists a demand and starts no machine for it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._reported: set[str] = set()
        self._at: set[float] = set()

    def by(self, report: Report) -> bool:
        """Return whether the demand is refused for good: no type of machine is large enough."""
        waits = autoscaler.is_requested(self._bundle, report.requested)
        if not waits or report.starting or report.failures:
            self._at.clear()
        else:
            self._at.add(report.at)
        return len(self._at) >= REPORTS

    def new_failures(self, report: Report) -> Iterator[str]:
        """Yield each failure once."""
        for failure in report.failures:
            if failure not in self._reported:
                self._reported.add(failure)
                yield " ".join(failure.split())


class Demand:
    """Requests room for more trials from the autoscaler while a sweep runs."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._groups: list[PlacementGroup] = []

    def ask(self, count: int) -> None:
        """Request room for `count` trials. Room that has come is released, for a trial to use."""
        waiting = []
        for group in self._groups:
            if _is_placed(group):
                remove_placement_group(group)
            else:
                waiting.append(group)
        for group in waiting[count:]:
            remove_placement_group(group)
        more = range(count - len(waiting))
        self._groups = waiting[:count] + [placement_group([dict(self._bundle)]) for _ in more]


def present() -> Sequence[dict[str, float]]:
    """Return the resources of each machine that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@contextmanager
def _requested(bundle: Bundle) -> Iterator[PlacementGroup]:
    group = placement_group([dict(bundle)])
    try:
        yield group
    finally:
        remove_placement_group(group)


def _is_placed(group: PlacementGroup) -> bool:
    table: dict[str, Any] = placement_group_table(group)
    return bool(table["state"] == "CREATED")


def _pause() -> None:
    signals.raise_if_interrupted()
    time.sleep(LOOK_S)
