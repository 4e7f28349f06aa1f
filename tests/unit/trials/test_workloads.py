"""The kinds of trials: a sweep's record names one, also one that this raysweep does not know."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.events import Display
from raysweep.storage.reading import StoredSweep
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.trials.training.workload import Training
from raysweep.trials.workloads import display_of, preload_of, workload_named, workload_of


def test_the_built_in_kind() -> None:
    assert isinstance(workload_of(Config()), Training)
    assert "torch" in preload_of("training").before_ray
    assert display_of("training").step == "epoch"


def test_an_unknown_kind_is_shown_plainly_and_not_run() -> None:
    assert display_of("newer") == Display()
    with pytest.raises(UserError, match="kind 'newer', which this raysweep does not know"):
        workload_named("newer")


def test_a_record_of_an_earlier_raysweep_is_of_a_training(tmp_path: Path) -> None:
    folder = Storage(tmp_path).create(SweepRecord.new("old", "p", None, "trackio"), {})
    written = json.loads((folder.path / "sweep.json").read_text())
    assert written.pop("kind") == "training"
    (folder.path / "sweep.json").write_text(json.dumps(written))
    assert folder.record().kind == "training"
    (folder.path / "sweep.json").write_text(json.dumps({**written, "kind": 3}))
    with pytest.raises(UserError, match="its kind is no text"):
        folder.record()


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"resources": {"fast_start": False}}, False),
        ({"resources": {"fast_start": True}}, True),
        ({}, True),
        ({"resources": None}, True),
    ],
)
def test_resume_knows_whether_its_ray_may_start_fast(
    tmp_path: Path, config: dict[str, object], wanted: bool
) -> None:
    record = SweepRecord.new("mine", "p", None, "trackio")
    folder = Storage(tmp_path).create(record, config)
    stored = StoredSweep(folder, replace(record), Storage(tmp_path))
    assert stored.fast_start() == wanted


def test_to_ask_how_a_sweep_is_shown_imports_nothing_heavy() -> None:
    script = (
        "import sys, raysweep.trials.workloads as w; w.display_of('training');"
        "print([n for n in ('numpy', 'ray', 'torch', 'pydantic', 'optuna') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
