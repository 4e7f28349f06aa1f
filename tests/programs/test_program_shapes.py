"""Scripts in the shapes that people write, unchanged, as trials."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
PYTHON, PROGRAM = "${interpreter}", "${program}"


@pytest.mark.parametrize(
    ("program", "command", "losses"),
    [
        ("config_only.py", None, [0.5, 0.25, 0.5 / 3]),
        ("with_argparse.py", None, [0.5]),
        ("context_manager.py", None, [0.5, 0.5]),
        ("init_at_import.py", None, [0.5]),
        ("media.py", None, [1, 0.5, 0.25]),
        ("watches.py", None, None),
        ("artifacts.py", None, [1]),
        ("hydra_like.py", [PYTHON, PROGRAM, "${args_no_hyphens}"], [0.5]),
        ("script.sh", None, [0.5]),
        ("pkg/mod.py", [PYTHON, "-m", "pkg.mod", "${args_no_equals}"], [0.5]),
        ("distributed.py", "torchrun", [1]),
        ("folds.py", None, [0.5]),
    ],
)
def test_a_script_is_a_trial(programs, program: str, command: Any, losses: list[float] | None):
    shutil.copytree(SCRIPTS, programs.folder, dirs_exist_ok=True)
    if program == "script.sh":
        command = ["./script.sh", sys.executable, "${args}"]
    if command == "torchrun":
        run = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
        command = [PYTHON, *run, PROGRAM]
    sweep = {} if command is None else {"command": command}
    last = programs.run(programs.config({"timeout": 120}, program=program, **sweep))
    told = [each.metrics["loss"] for each in programs.reports if not each.last]
    assert losses is None or told == pytest.approx(losses)
    assert len(told) == last.epochs
    record = programs.record()
    assert (record.state, record.job_type, record.group) == ("finished", "train", "climbs")
    check = CHECKS.get(program)
    if check is not None:
        check(programs, record)


def _config_only(programs: Any, record: Any) -> None:
    assert record.name == "another name"
    assert "tagged" in record.tags
    assert record.config["batch"] == 4


def _media(programs: Any, record: Any) -> None:
    rows = programs.tracker.store.rows(record.id)
    assert {key for row in rows for key in row.media} == {"picture", "html", "histogram", "table"}
    assert [row.metrics.get("word") for row in rows] == ["some", "some", None]
    assert "notes.txt" in {file.path for file in programs.tracker.store.files(record.id)}


def _watches(programs: Any, record: Any) -> None:
    rows = programs.tracker.store.rows(record.id)
    assert any(key.startswith("gradients/") for row in rows for key in row.media)


def _artifacts(programs: Any, record: Any) -> None:
    assert "data:v0" in record.used
    assert {"data:v0", "net:v0"} <= set(record.logged)
    assert programs.tracker.artifact("net:latest").type == "model"
    assert (programs.root / "wandb-cache").exists(), "the user's WANDB_CACHE_DIR is used"


def _shell(programs: Any, record: Any) -> None:
    assert (programs.trial_folder() / "out" / "printed").exists()


def _folds(programs: Any, record: Any) -> None:
    folds = [run for run in programs.tracker.runs() if run.group == "folds"]
    assert [run.summary["fold"] for run in folds] == [1]


CHECKS = {
    "folds.py": _folds,
    "config_only.py": _config_only,
    "media.py": _media,
    "watches.py": _watches,
    "artifacts.py": _artifacts,
    "script.sh": _shell,
}
