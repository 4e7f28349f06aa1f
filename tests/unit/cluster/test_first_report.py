"""Whether a cluster grows, before its autoscaler's first report."""

from __future__ import annotations

import calendar

import pytest

from raysweep.cluster import autoscaler, growing
from raysweep.cluster.autoscaler import Report


def test_a_young_cluster_is_recognized_by_its_sessions_name_in_any_time_zone() -> None:
    session = "session_2026-11-30_19-03-29_784877_4194304"
    then = calendar.timegm((2026, 11, 30, 19, 3, 29))
    for zone in (0, 3600, -5.75 * 3600):
        assert autoscaler.is_young(session, then + zone + 3)
        assert not autoscaler.is_young(session, then + zone + autoscaler.STARTING_S + 1)
    assert not autoscaler.is_young("another", then)


@pytest.mark.parametrize("comes", [True, False])
def test_the_first_report_is_waited_for_if_one_may_come(
    monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    monkeypatch.setattr(growing, "FIRST_REPORT_S", 0.5)
    report = Report(1, frozenset({"head"}), (), (), ())
    reports = iter([None, None, report] if comes else [])
    monkeypatch.setattr(autoscaler, "report", lambda: next(reports, None))
    monkeypatch.setattr(autoscaler, "may_report_soon", lambda: True)
    told: list[str] = []
    assert growing.grows(told.append) is comes
    assert told[0] == "waiting for the first report of the cluster's autoscaler"
    assert len(told) == (1 if comes else 2)


def test_a_cluster_without_an_autoscaler_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(autoscaler, "report", lambda: None)
    monkeypatch.setattr(autoscaler, "may_report_soon", lambda: False)
    told: list[str] = []
    assert not growing.grows(told.append)
    assert told == []


def test_machines_without_a_type_are_not_started_by_an_autoscaler() -> None:
    assert not Report(1, frozenset({"", "node_" + "f" * 56}), (), (), ()).starts_machines
    assert Report(1, frozenset({"", "gpu"}), (), (), ()).starts_machines
