"""The order in which a sweep's runs and versions are published."""

from __future__ import annotations

from raysweep.tracking.port import RunRecord
from raysweep.tracking.publish.order import Step, steps
from raysweep.tracking.trackio.artifacts import GraphEvent


def record(run_id: str, group: str = "mine", used: tuple[str, ...] = ()) -> RunRecord:
    return RunRecord(run_id, run_id, "train", group, "finished", {}, {}, (), used, (), None)


def used(run_id: str, ref: str) -> GraphEvent:
    return GraphEvent(run_id, "input", ref)


def logged(run_id: str, ref: str) -> GraphEvent:
    return GraphEvent(run_id, "output", ref)


def test_a_run_with_one_output_is_published_as_a_whole() -> None:
    records = [record("load"), record("a", used=("raw:v0",)), record("b", used=("raw:v0",))]
    events = [
        logged("load", "raw:v0"),
        used("a", "raw:v0"),
        used("b", "raw:v0"),
        logged("b", "model:v0"),
        logged("a", "model:v1"),
    ]
    assert steps(records, "mine", events) == [
        Step("load", "raw:v0", ()),
        Step("load", None, ()),
        Step("b", "model:v0", ("raw:v0",)),
        Step("b", None, ()),
        Step("a", "model:v1", ("raw:v0",)),
        Step("a", None, ()),
    ]


def test_mutual_clones_are_interleaved() -> None:
    records = [record("a", used=("cp:v1",)), record("b", used=("cp:v0",))]
    events = [
        logged("a", "cp:v0"),
        used("b", "cp:v0"),
        logged("b", "cp:v1"),
        used("a", "cp:v1"),
    ]
    assert steps(records, "mine", events) == [
        Step("a", "cp:v0", ()),
        Step("b", "cp:v1", ("cp:v0",)),
        Step("b", None, ()),
        Step("a", None, ("cp:v1",)),
    ]


def test_what_made_the_inputs_comes_along_and_others_do_not() -> None:
    records = [
        record("load", "before"),
        record("others", "before", used=("raw:v0",)),
        record("idle"),
        record("a", used=("raw:v0",)),
    ]
    events = [
        logged("load", "raw:v0"),
        used("others", "raw:v0"),
        logged("others", "model:v0"),
        logged("others", "raw:v0"),  # the same bytes again: it did not make them
        used("a", "raw:v0"),
    ]
    assert steps(records, "mine", events) == [
        Step("load", "raw:v0", ()),
        Step("load", None, ()),
        Step("a", None, ("raw:v0",)),
        Step("idle", None, ()),
    ]
