"""The artifacts tutorial in `configs/examples/tutorial`: its five scripts, as a user runs them."""

from __future__ import annotations

import json

import pytest

from commands import REPOSITORY, call
from sweeps import stored

TUTORIAL = REPOSITORY / "configs" / "examples" / "tutorial"


def test_the_five_scripts_make_one_graph_and_are_reused(tmp_path):
    files = sorted(TUTORIAL.iterdir())
    done = call(
        *("run", TUTORIAL / "tutorial.yaml", "--name", "t", "--storage", tmp_path, "--json"),
        *("--count", "1", "--set", "sweep.parameters.epochs.value=1"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    versions = {"digits-raw": "v0", "digits-preprocess": "v0", "convnet": "v0"}
    assert result["artifacts"] == versions
    assert result["best"]["artifact"] == "trained-model:v0"
    assert set(result["test"]) == {"loss", "accuracy"}
    assert 0 < result["test"]["accuracy"] <= 100
    assert sorted(TUTORIAL.iterdir()) == files

    tracker = stored(tmp_path, "t").tracker()
    runs = {run.job_type: run for run in tracker.runs("t")}
    assert set(runs) == {"load-data", "preprocess-data", "initialize", "train", "report"}
    assert set(runs["report"].used) == {"digits-preprocess:v0", "trained-model:v0"}
    nodes = {node.id for node in tracker.lineage("trained-model:best").nodes}
    assert {f"run:{run.id}" for run in runs.values()} <= nodes
    hardest = tracker.store.media(runs["report"].id, "high-loss-examples").value
    assert hardest["count"] == 32
    assert len(hardest["captions"]) == 32
    table = tracker.store.media(runs["report"].id, "hardest").value
    assert table["nrows"] == 32

    plan = call("plan", TUTORIAL / "tutorial.yaml", "--storage", tmp_path, "--json", cwd=tmp_path)
    reused = [stage["ref"] for stage in json.loads(plan.stdout)["stages"]]
    assert reused == [f"{name}:{version}" for name, version in versions.items()]
    best = tracker.artifact("trained-model:best-t")
    assert best.metadata["dropout"] == pytest.approx(0.5)
