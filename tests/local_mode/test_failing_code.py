"""Failures of the user's own code: what is raised, with which cause, where; what the log has."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.cli import main
from raysweep.errors import SweepFailed

from sweeps import HAS_LOCAL_MODE, digits, grid

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]

CODE = """
import sys
from raysweep.ml.digits import load
from raysweep.ml.training import Trainer

class Failing(Trainer):
    def epoch(self):
        print("epoch", self.epochs_done, "of", self.label_smoothing)
        print("warned", file=sys.stderr)
        if self.label_smoothing > 0.05:
            self.look_up({"no": "such key"})
        yield from super().epoch()

    def look_up(self, table):
        return table["absent"]

def data():
    print("looking for the data")
    raise FileNotFoundError("no data on this day")

def evaluate(model, test, device):
    print("scoring", len(test), "pictures")
    raise ZeroDivisionError("nothing to divide by")
"""

LOOK_UP = CODE.splitlines().index('        return table["absent"]') + 1
"""The line that fails."""


@pytest.fixture(autouse=True)
def my_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "failing_parts.py").write_text(CODE)
    yield tmp_path / "failing_parts.py"
    sys.modules.pop("failing_parts", None)


def trains(*smoothing: float, **sections: Any) -> dict[str, Any]:
    trainer = {"target": "failing_parts:Failing", "epochs": 2}
    return digits(grid(label_smoothing=list(smoothing)), train=trainer, **sections)


def test_a_failed_trial_says_where(
    tmp_path: Path, my_code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run_sweep(trains(0.0, 0.1), name="mixed", storage=tmp_path / "runs")
    shown = capsys.readouterr()
    assert "epoch 1 of 0.0" in shown.out and "warned" in shown.err, "prints appear, and are kept"

    (failed,) = result.failures
    assert failed.error == f"KeyError: 'absent' (failing_parts.py:{LOOK_UP} in look_up)"
    assert failed.where == f"{my_code}:{LOOK_UP}"
    assert '    return table["absent"]' in (failed.traceback or "")
    assert "  … " in (failed.traceback or "") and "raysweep/trials" not in (failed.traceback or "")
    folder = tmp_path / "runs" / "mixed"
    kept = json.loads((folder / "result.json").read_text())["failures"]
    assert kept == [
        {
            "trial": "trial-0001",
            "error": failed.error,
            "where": failed.where,
            "log": "logs/trial-0001.log",
        }
    ]
    log = (folder / failed.log).read_text()
    assert log.startswith("epoch 0 of 0.1\nwarned\nTraceback (most recent call last):\n")
    assert "raysweep/trials" in log, "the log has all frames"
    assert log.endswith("KeyError: 'absent'\n")
    assert (folder / "logs" / "trial-0000.log").read_text().count("epoch ") == 2

    assert main(["logs", "--storage", str(tmp_path / "runs"), "1", "--tail", "1"]) == 0
    assert capsys.readouterr().out == "KeyError: 'absent'\n"
    assert main(["logs", "--storage", str(tmp_path / "runs"), "mixed", "trail-0001"]) == 2
    assert "no run trail-0001 in mixed, which has " in capsys.readouterr().err


def test_fail_fast_raises_where_it_happened(tmp_path: Path, my_code: Path) -> None:
    with pytest.raises(SweepFailed) as caught:
        run_sweep(trains(0.1, 0.0), name="fast", storage=tmp_path / "runs", fail_fast=True)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "trial-0000 failed: KeyError: 'absent'" in str(caught.value)
    assert "resume fast" in str(caught.value) and "--retry-failed" in str(caught.value)
    innermost, line = list(traceback.walk_tb(caught.value.__traceback__))[-1]
    assert (innermost.f_code.co_filename, line) == (str(my_code), LOOK_UP)
    assert innermost.f_locals["table"] == {"no": "such key"}, "a post-mortem shows the locals"
    logs = tmp_path / "runs" / "fast" / "logs"
    assert not (logs / "trial-0001.log").exists(), "it was the first failure"

    my_code.write_text(CODE.replace('table["absent"]', 'table["no"]'))
    sys.modules.pop("failing_parts", None)
    result = resume_sweep("fast", storage=tmp_path / "runs", retry_failed=True)
    assert result.trials.completed == 2 and not result.failures
    assert "[raysweep: a new process" in (logs / "trial-0000.log").read_text()


def test_a_stage_that_raises(tmp_path: Path, my_code: Path) -> None:
    config = digits(grid(label_smoothing=[0.0]))
    config["data"] = {"target": "failing_parts:data"}
    with pytest.raises(
        SweepFailed, match="raised FileNotFoundError: no data on this day"
    ) as caught:
        run_sweep(config, name="no-data", storage=tmp_path / "runs")
    assert caught.value.exit_code == 1
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert "in data" in (caught.value.traceback or "")
    assert "no-data load; mend it, and go on: python -m raysweep resume no-data" in str(
        caught.value
    )
    log = (tmp_path / "runs" / "no-data" / "logs" / "load.log").read_text()
    assert log.startswith("looking for the data\nTraceback")
    assert "FileNotFoundError: no data on this day" in log
    innermost, _ = list(traceback.walk_tb(caught.value.__traceback__))[-1]
    assert innermost.f_code.co_filename == str(my_code)


def test_an_evaluation_that_raises(tmp_path: Path) -> None:
    config = trains(0.0, evaluate={"target": "failing_parts:evaluate"})
    with pytest.raises(SweepFailed, match="ZeroDivisionError: nothing to divide by") as caught:
        run_sweep(config, name="unscored", storage=tmp_path / "runs")
    assert "unscored evaluate; mend it, and go on" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    log = (tmp_path / "runs" / "unscored" / "logs" / "evaluate.log").read_text()
    assert log.startswith("scoring ") and "ZeroDivisionError" in log
