"""A trial's share of the available machines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysweep.cluster.resources import Node, Resources, share
from raysweep.config import Config
from raysweep.errors import UserError

LAPTOP = [Node(2, 0)]


def shared(nodes: list[Node], trials: int = 100, **wanted: object) -> Resources:
    return share(nodes, Config.from_dict({"resources": wanted}).resources, trials)


@pytest.mark.parametrize(
    ("nodes", "trials", "wanted", "expected"),
    [
        (LAPTOP, 8, {}, Resources(1, 0, 2)),
        (LAPTOP, 1, {}, Resources(2, 0, 1)),
        ([Node(16, 0)], 4, {}, Resources(4, 0, 4)),
        ([Node(16, 0)], 5, {}, Resources(3, 0, 5)),
        ([Node(16, 0)], 8, {"cpus": 5}, Resources(5, 0, 3)),
        ([Node(1, 0)] * 2, 1, {}, Resources(1, 0, 1)),  # 2 CPUs in all, but on two machines
        ([Node(4, 0), Node(8, 0)], 3, {}, Resources(4, 0, 3)),
        ([Node(16, 1)], 8, {}, Resources(16, 1, 1)),
        ([Node(16, 1)], 8, {"gpus": 0.25}, Resources(4, 0.25, 4)),
        ([Node(16, 2)], 100, {"gpus": 0.3}, Resources(2, 0.3, 6)),
        ([Node(16, 2)], 100, {"gpus": 0.4}, Resources(4, 0.4, 4)),  # a fraction is of one GPU
        ([Node(16, 1)], 8, {"gpus": 0}, Resources(2, 0, 8)),
        ([Node(32, 4)] * 2, 100, {}, Resources(8, 1, 8)),
        (
            [Node(8, 0), Node(4, 1)],
            100,
            {},
            Resources(4, 1, 1),
        ),  # the head's CPUs are not beside a GPU
        ([Node(0, 0), Node(4, 1)], 100, {"gpus": 0.5}, Resources(2, 0.5, 2)),
        ([Node(2, 0)], 8, {"cpus": 0.5}, Resources(0.5, 0, 4)),
    ],
)
def test_auto_fills_the_machines(
    nodes: list[Node], trials: int, wanted: dict[str, object], expected: Resources
) -> None:
    assert shared(nodes, trials, **wanted) == expected


def test_fewer_trials_at_once_leave_each_as_it_is() -> None:
    """Otherwise the number of threads, and with it the weights, would depend on it."""
    alone = shared(LAPTOP, max_concurrent=1)
    assert alone == Resources(1, 0, 1)
    assert alone.threads == shared(LAPTOP, max_concurrent=2).threads


@pytest.mark.parametrize(
    ("nodes", "wanted", "words"),
    [
        (LAPTOP, {"gpus": 1}, "resources.gpus: a trial needs 1, and the largest machine has 0"),
        ([Node(32, 4)] * 2, {"gpus": 8}, "resources.gpus: a trial needs 8"),
        ([Node(1, 0)] * 2, {"cpus": 2}, "resources.cpus: a trial needs 2"),
        ([Node(0, 0)], {}, "resources.cpus: a trial needs 1, and the largest machine has 0"),
        ([Node(8, 0), Node(4, 1)], {"cpus": 6, "gpus": 1}, "6 CPU and 1 GPU, and no machine has"),
    ],
)
def test_more_than_one_machine_has_is_refused(
    nodes: list[Node], wanted: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        shared(nodes, **wanted)


@given(
    nodes=st.lists(st.builds(Node, st.integers(1, 64), st.integers(0, 8)), min_size=1, max_size=4),
    trials=st.integers(1, 50),
)
def test_what_is_promised_fits(nodes: list[Node], trials: int) -> None:
    got = shared(nodes, trials)
    assert got.concurrent <= max(1, sum(node.slots(got.cpus, got.gpus) for node in nodes))
    assert any(node.cpus >= got.cpus and node.gpus >= got.gpus for node in nodes)
