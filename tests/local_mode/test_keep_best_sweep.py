"""A sweep with `tracking.keep: best`, whole and resumed: it comes to the same, with fewer bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raysweep import load_model, resume_sweep, run_sweep
from raysweep.errors import ArtifactDropped, UserError
from raysweep.storage.storage import Storage

from kept_sweeps import assert_whole, read_result
from sweeps import HAS_LOCAL_MODE, digits, grid, one_process, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

PROJECT = "artifacts-example"


def test_only_the_winner_keeps_its_bytes(tmp_path: Path) -> None:
    config = small(grid(learning_rate=[0.0001, 0.03, 0.001]))
    with one_process():
        kept = run_sweep(config, name="all", storage=tmp_path / "all")
        lean = run_sweep(
            {**config, "tracking": {"keep": "best"}}, name="best", storage=tmp_path / "best"
        )
    assert lean.best == kept.best
    assert lean.test == kept.test
    assert with_bytes(tmp_path / "all", "all") == {f"trained-model:v{i}" for i in range(3)}
    assert with_bytes(tmp_path / "best", "best") == {lean.best.artifact}
    assert_whole(Storage(tmp_path / "best"), PROJECT)
    load_model("best", tmp_path / "best")
    poor = next(f"trained-model:v{i}" for i in range(3) if lean.best.artifact[-1] != str(i))
    with pytest.raises(ArtifactDropped, match="keep: best"):
        load_model(poor, tmp_path / "best")


def test_a_resumed_sweep_and_one_whose_failed_trials_are_retried(tmp_path: Path) -> None:
    """A model whose bytes are gone on purpose is not damaged, and no trial is run again for it."""
    config = {**small(grid(learning_rate=[0.03, 0.001])), "tracking": {"keep": "best"}}
    with one_process():
        run_sweep(config, name="mine", storage=tmp_path)
        journal, result = tmp_path / "mine" / "journal.jsonl", tmp_path / "mine" / "result.json"
        before, first = journal.read_text(), read_result(tmp_path, "mine")
        journal.write_text(before.replace('"boot": "', '"boot": "another '))
        result.unlink()
        again = resume_sweep(storage=tmp_path)
    assert again.best.artifact == first["best"]["artifact"]
    assert journal.read_text().count('"event": "epoch"') == before.count('"event": "epoch"')
    assert len(with_bytes(tmp_path, "mine")) == 1
    assert_whole(Storage(tmp_path), PROJECT)


def test_a_populations_checkpoints_go_when_it_has_ended(tmp_path: Path) -> None:
    sweep = {
        "method": "random",
        "run_cap": 2,
        "parameters": {"learning_rate": {"values": [0.0001, 0.03]}},
        "pbt": {"interval": 1, "quantile": 0.5},
    }
    config = {**small(sweep), "tracking": {"keep": "best"}}
    with one_process():
        result = run_sweep(config, name="mine", storage=tmp_path)
        journal = tmp_path / "mine" / "journal.jsonl"
        journal.write_text(
            journal.read_text().replace('"state": "completed"', '"state": "failed"', 1)
        )
        with pytest.raises(UserError, match="has dropped its checkpoints"):
            resume_sweep(storage=tmp_path, retry_failed=True)
    assert with_bytes(tmp_path, "mine") == {result.best.artifact}
    assert_whole(Storage(tmp_path), PROJECT)


def small(sweep: dict[str, Any]) -> dict[str, Any]:
    return digits(sweep, model={"hidden_layer_sizes": [2, 4]}, data={"train_size": 200})


def with_bytes(storage: Path, name: str) -> set[str]:
    """The models and the checkpoints that have their bytes."""
    tracker = stored(storage, name).tracker()
    try:
        refs = {ref for run in tracker.runs(name) for ref in run.logged if ref.startswith("train")}
        refs |= {ref for run in tracker.runs(name) for ref in run.logged if "checkpoint" in ref}
        return {ref for ref in refs if tracker.artifact(ref).dropped is None}
    finally:
        tracker.close()
