"""A lineage graph as lines: every run once, after what it used."""

from __future__ import annotations

import random

import pytest

from raysweep.terminal.graph import lineage_lines
from raysweep.tracking import Lineage, LineageNode


def run(name: str, job_type: str | None) -> LineageNode:
    return LineageNode(f"run:{name}", "run", name, job_type=job_type, state="finished")


def artifact(name: str, version: str, *aliases: str) -> LineageNode:
    return LineageNode(
        f"artifact:{name}:{version}", "artifact", name, type="x", version=version, aliases=aliases
    )


NODES = (
    run("s-load", "load-data"),
    artifact("mnist-raw", "v0", "latest"),
    run("s-preprocess", "preprocess-data"),
    artifact("mnist-preprocess", "v0"),
    run("s-initialize", "initialize"),
    artifact("convnet", "v1"),
    run("s-trial-0000", "train"),
    artifact("model", "v5", "best", "latest"),
    run("s-report", "report"),
)
EDGES = (
    ("run:s-load", "artifact:mnist-raw:v0"),
    ("artifact:mnist-raw:v0", "run:s-preprocess"),
    ("run:s-preprocess", "artifact:mnist-preprocess:v0"),
    ("run:s-initialize", "artifact:convnet:v1"),
    ("artifact:mnist-preprocess:v0", "run:s-trial-0000"),
    ("artifact:convnet:v1", "run:s-trial-0000"),
    ("run:s-trial-0000", "artifact:model:v5"),
    ("artifact:model:v5", "run:s-report"),
    ("artifact:mnist-preprocess:v0", "run:s-report"),
)
FOCUS = "artifact:model:v5"


def test_each_run_is_a_line_from_its_inputs_to_its_outputs() -> None:
    assert lineage_lines(Lineage(FOCUS, NODES, EDGES)) == [
        "[load-data s-load] ─▶ mnist-raw:v0 (latest)",
        "[initialize s-initialize] ─▶ convnet:v1",
        "mnist-raw:v0 (latest) ─▶ [preprocess-data s-preprocess] ─▶ mnist-preprocess:v0",
        "mnist-preprocess:v0, convnet:v1 ─▶ [train s-trial-0000] ─▶ model:v5 (best, latest)",
        "model:v5 (best, latest), mnist-preprocess:v0 ─▶ [report s-report]",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_in_the_order_of_the_data_flow(seed: int) -> None:
    nodes = random.Random(seed).sample(NODES, len(NODES))
    lines = lineage_lines(Lineage(FOCUS, tuple(nodes), EDGES))
    place = {line.split("[")[1].split(" ")[0]: number for number, line in enumerate(lines)}
    assert place["load-data"] < place["preprocess-data"] < place["train"] < place["report"]
    assert place["initialize"] < place["train"]


def test_an_artifact_alone_is_itself() -> None:
    alone = artifact("convnet", "v0", "latest")
    assert lineage_lines(Lineage(alone.id, (alone,), ())) == ["convnet:v0 (latest)"]


def test_a_run_that_something_else_logged_has_only_its_name() -> None:
    nodes = (run("theirs", None), artifact("convnet", "v0"))
    edges = (("run:theirs", "artifact:convnet:v0"),)
    assert lineage_lines(Lineage(nodes[1].id, nodes, edges)) == ["[theirs] ─▶ convnet:v0"]


def test_a_run_that_reads_and_writes_one_version_is_still_shown() -> None:
    """Logging an unchanged version makes a cycle."""
    nodes = (run("again", "report"), artifact("convnet", "v0"))
    edges = (("artifact:convnet:v0", "run:again"), ("run:again", "artifact:convnet:v0"))
    lines = lineage_lines(Lineage(nodes[1].id, nodes, edges))
    assert lines == ["convnet:v0 ─▶ [report again] ─▶ convnet:v0"]


@pytest.mark.parametrize("seed", range(5))
def test_trials_that_used_each_others_checkpoints_come_before_their_descendants(seed: int) -> None:
    nodes = (
        run("s-load", "load-data"),
        artifact("digits-raw", "v0"),
        run("a", "train"),
        artifact("trial-checkpoint", "v0"),
        run("b", "train"),
        artifact("trial-checkpoint", "v1"),
        artifact("model", "v0", "best"),
        run("s-report", "report"),
    )
    edges = (
        ("run:s-load", "artifact:digits-raw:v0"),
        *(("artifact:digits-raw:v0", f"run:{name}") for name in "ab"),
        ("run:a", "artifact:trial-checkpoint:v0"),
        ("artifact:trial-checkpoint:v0", "run:b"),
        ("run:b", "artifact:trial-checkpoint:v1"),
        ("artifact:trial-checkpoint:v1", "run:a"),
        ("run:b", "artifact:model:v0"),
        ("artifact:model:v0", "run:s-report"),
    )
    mixed = tuple(random.Random(seed).sample(nodes, len(nodes)))
    lines = lineage_lines(Lineage("artifact:model:v0", mixed, edges))
    jobs = [line.split("[")[1].split(" ")[0] for line in lines]
    assert jobs == ["load-data", "train", "train", "report"]
