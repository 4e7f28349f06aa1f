"""The number of concurrent trials follows the machines upwards, never downwards."""

from __future__ import annotations

from typing import Any

import pytest
from ray.tune.search import ConcurrencyLimiter, Searcher

from raysweep.cluster import autoscaler, growing
from raysweep.cluster.autoscaler import Report
from raysweep.cluster.resources import Node, Resources
from raysweep.config import Config
from raysweep.events import ClusterNotice, Event
from raysweep.trials.growth import Growth


class Endless(Searcher):
    """A searcher that suggests trials without end."""

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return {"trial": trial_id}

    def on_trial_complete(self, trial_id: str, *_: object, **__: object) -> None:
        pass


@pytest.fixture(autouse=True)
def machines_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """No machines are requested."""
    monkeypatch.setattr(growing, "grows", lambda: False)


def growth(
    nodes: list[Node], told: list[Event], left: int = 100, **wanted: object
) -> tuple[Growth, ConcurrencyLimiter]:
    limiter = ConcurrencyLimiter(Endless(metric="loss", mode="min"), max_concurrent=2)
    config = Config.from_dict({"resources": wanted}).resources
    each = Resources(cpus=1, gpus=0, concurrent=2)
    return Growth(limiter, each, config, lambda: left, told.append, lambda: nodes), limiter


def started(limiter: ConcurrencyLimiter, tries: int) -> int:
    given = [limiter.suggest(f"{limiter.max_concurrent}-{number}") for number in range(tries)]
    return len([each for each in given if each is not None])


def test_the_same_machines_change_nothing() -> None:
    told: list[Event] = []
    growth_, limiter = growth([Node(2, 0)], told)
    for _ in range(3):
        growth_.follow()
    assert started(limiter, 5) == 2
    assert told == []


def test_another_machine_lets_more_trials_start() -> None:
    nodes, told = [Node(2, 0)], list[Event]()
    growth_, limiter = growth(nodes, told)
    assert started(limiter, 5) == 2
    nodes.append(Node(2, 0))
    growth_.follow()
    assert started(limiter, 5) == 2, "two more"
    assert told == [ClusterNotice("the cluster has grown: 4 trials at once")]
    nodes.pop()
    growth_.follow()
    assert limiter.max_concurrent == 4, "whose machine is gone waits for another"


def test_the_users_limit_and_the_number_of_trials_hold() -> None:
    nodes = [Node(64, 0)]
    for wanted, left, most in (({"max_concurrent": 3}, 100, 3), ({}, 5, 5)):
        growth_, limiter = growth(nodes, [], left, **wanted)
        growth_.follow()
        assert limiter.max_concurrent == most


NODE = "f" * 56


def status(**summary: Any) -> dict[str, Any]:
    """Return a status as Ray's autoscaler writes it."""
    return {
        "time": 1.0,
        "load_metrics_report": {
            "pg_demand": [[{"bundles": [[{"GPU": 0.5, "CPU": 1.0}, 1]], "strategy": "PACK"}, 1]]
        },
        "autoscaler_report": {
            "active_nodes": {},
            "pending_nodes": [],
            "pending_launches": {},
            "node_type_mapping": {},
            "node_availability_summary": {"node_availabilities": {}},
            **summary,
        },
    }


@pytest.fixture
def one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"NodeID": NODE, "NodeManagerAddress": "10.0.0.1", "Alive": True}
    monkeypatch.setattr(autoscaler.ray, "nodes", lambda: [there])


@pytest.mark.usefixtures("one_node")
def test_static_machines_are_distinguished_from_those_of_an_autoscaler() -> None:
    static = autoscaler.of_version_1(status(active_nodes={f"node_{NODE}": 1}))
    assert static is not None and not static.starts_machines
    for summary in ({"node_type_mapping": {"10.0.0.1": "head"}}, {"active_nodes": {"node_a": 1}}):
        found = autoscaler.of_version_1(status(**summary))
        assert found is not None and found.starts_machines
    assert autoscaler.of_version_1({"time": 1.0}) is None, "it has only begun"


@pytest.mark.usefixtures("one_node")
def test_requested_starting_and_failed_machines_are_read() -> None:
    failed = {
        "gpu": {
            "node_type": "gpu",
            "unavailable_node_information": {"category": "Quota", "description": "no more GPUs"},
        },
        "cpu": {"node_type": "cpu", "unavailable_node_information": None},
    }
    report = autoscaler.of_version_1(
        status(
            pending_nodes=[["10.0.0.1", "gpu", "setting-up"], ["10.0.0.2", "gpu", "setting-up"]],
            pending_launches={"cpu": 1},
            node_availability_summary={"node_availabilities": failed},
        )
    )
    assert report is not None
    assert report.starting == ("10.0.0.2", "cpu"), "the first is there"
    assert report.failures == ("gpu: no more GPUs",)
    assert autoscaler.is_requested({"CPU": 1, "GPU": 0.5}, report.requested)
    assert not autoscaler.is_requested({"CPU": 1}, report.requested)


def test_a_demand_is_refused_by_several_reports_that_start_nothing() -> None:
    wanted = {"CPU": 1.0, "GPU": 1.0}
    refused = growing._Refused(wanted)

    def report(at: float, requested: bool = True, *starting: str) -> Report:
        return Report(at, frozenset({"head"}), starting, (wanted,) if requested else (), ())

    assert not refused.by(report(1))
    assert not refused.by(report(1)), "the same one"
    assert not refused.by(report(2))
    assert not refused.by(report(3, True, "gpu")), "one is being started"
    assert not refused.by(report(4))
    assert not refused.by(report(5))
    assert not refused.by(report(6, requested=False)), "it was not requested"
    assert [refused.by(report(at)) for at in (7, 8, 9)] == [False, False, True]
