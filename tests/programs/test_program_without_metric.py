"""A sweep file of a program without a metric, as W&B's own first example: nothing is the best."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raysweep import StoredResult, load_result
from raysweep.cli.main import main

from sweeps import one_process

SWEEP = """
program: train.py
method: grid
parameters:
  flag: {values: [true, false]}
  epochs: {value: 27}
"""

TRAIN = """
import argparse, os, sys, wandb

parser = argparse.ArgumentParser()
parser.add_argument("--flag")
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
with wandb.init() as run:
    for row in range(2):
        run.log({"loss": 2 - row, "word": "x"})
        run.log({"only_true": row} if given.flag == "True" else {})
    if given.flag == "False" and "MENDED" not in os.environ:
        sys.exit("not yet")
"""


def test_it_runs_and_says_that_nothing_is_the_best(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    kept = ("--storage", str(tmp_path / "kept"))

    def said(*words: str) -> tuple[str, str]:
        code = main([*words, *kept])
        out, err = capfd.readouterr()
        assert code == (2 if words[0] == "best" else 0), err
        return out, err

    with one_process():
        out, err = said("run", "sweep.yaml", "--name", "free", "--json")  # one has completed
        found = json.loads(out)
        assert (found["best"], found["test"], found["promoted"]) == (None, None, False)
        assert (found["trials"]["completed"], found["trials"]["failed"]) == (1, 1)
        assert "no metric: nothing is chosen as best" in err
        assert "trials, with what they logged last" in err

        monkeypatch.setenv("MENDED", "1")
        found = json.loads(said("resume", "free", "--retry-failed", "--json")[0])
        assert (found["best"], found["trials"]["completed"]) == (None, 2)

    result = load_result("free", tmp_path / "kept")
    assert type(result) is StoredResult
    assert (result.best, result.metric, result.state) == (None, "", "ended")
    assert list(result.leaderboard["loss"]) == [1, 1]
    assert result.leaderboard["only_true"][0] == 1
    assert "no best" in repr(result)

    assert "free: no metric: nothing is chosen as best; see" in said("best", "free")[1]
    shown, _ = said("show", "free")
    assert "no metric: nothing is chosen as best" in shown
    assert "/27" not in shown  # rows are counted, whatever the program means by `epochs`
    assert json.loads(said("show", "free", "--json")[0])["metric"] is None
    assert "logged:   loss 1" in said("show", "free", "trial-0000")[0].replace("only_true 1, ", "")
    assert "free" in said("list")[0]
    page = Path(said("report", "free")[0].strip())
    assert "No metric: nothing is chosen as best." in page.read_text()
