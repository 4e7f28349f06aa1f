"""`show`: a sweep, one of its trials, several sweeps; its CSV and its JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysweep import cli
from raysweep.sweep.view import view_of
from raysweep.terminal.compare import comparison_lines
from raysweep.terminal.show import sweep_lines

from told_sweep import ACCURACY, ToldSweep, boom

Show = Callable[..., tuple[int, str, str]]


@pytest.fixture
def show(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Show:
    """show("told", "3"): exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(["show", "--storage", str(tmp_path / "runs"), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def told(tmp_path: Path) -> ToldSweep:
    """Four trials: one completed, two failed for one cause, one stopped early."""
    sweep = ToldSweep.create(tmp_path / "runs")
    sweep.trial(0, [50.0, 70.0], learning_rate=0.01).ended(0)
    sweep.trial(1, learning_rate=0.02).ended(1, "failed", **boom("KeyError: 1"))
    sweep.trial(2, [float("nan"), 90.0], learning_rate=0.03).ended(2, "stopped")
    sweep.trial(3, learning_rate=0.04).ended(3, "failed", **boom("KeyError: 7"))
    return sweep.result("trial-0002", "trained-model:v1", links={})


def test_a_sweep(show: Show, told: ToldSweep) -> None:
    code, out, err = show()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "told  ended; started 2026-11-30 00:53 UTC, 19 s in all"
    assert lines[1] == "4 trials: 1 completed, 1 stopped early, 2 failed"
    assert "best: trained-model:v1 of trial-0002, validation/accuracy 90.00 %" in lines[2]
    board = lines[lines.index("leaderboard by validation/accuracy (maximize)") + 1 :][:5]
    assert [line.split()[:3] for line in board[1:]] == [
        ["1", "trial-0002", "stopped"],
        ["2", "trial-0000", "completed"],
        ["3", "trial-0001", "failed"],
        ["4", "trial-0003", "failed"],
    ]
    assert "  2 trials: KeyError: 1 (nets.py:12 in forward) at /home/me/nets.py:12" in lines
    assert "    trial-0001, trial-0003" in lines
    assert f"folder:  {told.folder.path}" in lines


def test_no_word_is_broken_on_60_columns(told: ToldSweep) -> None:
    stored = told.stored()
    view = view_of(stored, artifacts=False)
    wide, narrow = (
        sweep_lines(view, stored.storage, width, lambda text, _: text) for width in (500, 60)
    )
    long = [line for line in narrow if len(line) > 60 and str(told.folder.path.parent) not in line]
    assert long == [], "but a path, which stays whole"
    at = narrow.index("leaderboard by validation/accuracy (maximize)")
    assert " ".join(narrow[:at]).split() == " ".join(wide[: wide.index(narrow[at])]).split()


def test_the_first_rows_only(show: Show, told: ToldSweep) -> None:
    _, out, _ = show("told", "--top", "1")
    assert "1  trial-0002" in out
    assert "2  trial-0000" not in out
    assert "… 3 more" in out


@pytest.mark.parametrize("names", [["told", "2"], ["told", "trial-0002"], ["2"], ["trial-2"]])
def test_a_trial(show: Show, told: ToldSweep, names: list[str]) -> None:
    code, out, _ = show(*names)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "trial-0002 of told: stopped, 1 of 4"
    assert "values:   learning_rate=0.03" in lines
    assert "node:     a-node/pid 4711" in lines
    assert any(line.startswith("best:     validation/accuracy 90.00 %") for line in lines)
    (course,) = [line for line in lines if "val. accuracy" in line]
    assert course.split() == ["val.", "accuracy", "▄", "NaN", "→", "90.00", "%"]


def test_a_trial_that_failed_with_the_end_of_its_log(show: Show, told: ToldSweep) -> None:
    log = told.folder.path / "logs" / "trial-0001.log"
    log.parent.mkdir()
    bar = "".join(f"\r{percent} %" for percent in range(101))
    log.write_text("\n".join(f"line {i}" for i in range(99)) + f"\n\x1b[31mred\x1b[0m\n{bar}\n")
    _, out, _ = show("told", "1")
    assert "failed: KeyError: 1 (nets.py:12 in forward)" in out
    assert "at /home/me/nets.py:12" in out
    assert "Traceback (most recent call last):\nKeyError: 1\n" in out
    end = out.split(f"the end of its log, {log}\n")[1].splitlines()
    assert (len(end), end[0], end[-2:]) == (20, "  line 81", ["  red", "  100 %"])


def test_its_json(show: Show, told: ToldSweep) -> None:
    code, out, err = show("told", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    kept = told.folder.result()
    assert kept is not None
    assert {key: answer[key] for key in kept if key not in ("trials", "wall_s")} == {
        key: kept[key] for key in kept if key not in ("trials", "wall_s")
    }
    assert answer["trials"] == {
        "total": 4, "completed": 1, "stopped": 1, "failed": 2, "running": 0, "waiting": 0,
    }  # fmt: skip
    assert (answer["state"], answer["metric"], answer["goal"]) == ("ended", ACCURACY, "maximize")
    assert [row["trial"] for row in answer["leaderboard"]][:2] == ["trial-0002", "trial-0000"]
    assert answer["leaderboard"][1]["values"] == {"learning_rate": 0.01}
    assert answer["causes"][0]["trials"] == ["trial-0001", "trial-0003"]
    one = json.loads(show("told", "2", "--json")[1])
    assert (one["sweep"], one["rank"], one["duration_s"]) == ("told", 1, 3)
    assert [row[ACCURACY] for row in one["history"]] == [None, 90.0], "JSON has no NaN"
    assert (one["used"], one["logged"]) == ([], [])


def test_csv_has_a_row_a_trial(show: Show, told: ToldSweep, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    code, out, err = show("told", "--csv", file)
    assert (code, out, err) == (0, "", f"{file}: 4 trials\n")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["trial"] for row in rows][:2] == ["trial-0002", "trial-0000"]
    assert (rows[0][ACCURACY], rows[0]["learning_rate"], rows[0]["node"]) == (
        "90.0",
        "0.03",
        "a-node",
    )
    assert rows[2]["error"] == "KeyError: 1 (nets.py:12 in forward)"
    assert list(csv.DictReader(io.StringIO(show("told", "--csv", "-")[1]))) == rows
    history = list(csv.DictReader(io.StringIO(show("told", "0", "--csv", "-")[1])))
    assert [row[ACCURACY] for row in history] == ["50.0", "70.0"]


def test_csv_of_a_parameter_called_as_a_column(show: Show, tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path / "runs")
    sweep.trial(0, [50.0], epochs=2, state="a", epoch=[1]).ended(0)
    (row,) = csv.DictReader(io.StringIO(show("--csv", "-")[1]))
    assert (row["epochs"], row["state"]) == ("1", "completed")
    assert (row["values/epochs"], row["values/state"], row["values/epoch"]) == ("2", "a", "[1]")


def test_sweeps_side_by_side(show: Show, told: ToldSweep, tmp_path: Path) -> None:
    parameters = {"learning_rate": {"values": [0.5]}}
    sections = {"train": {"epochs": 5}, "sweep": {"parameters": parameters}}
    other = ToldSweep.create(tmp_path / "runs", "other", **sections)
    other.trial(0, [80.0], learning_rate=0.5).ended(0)
    code, out, _ = show("told", "other")
    assert code == 0
    lines = [line.split("  ") for line in out.splitlines()]
    table = {line[0]: [each.strip() for each in line[1:] if each.strip()] for line in lines}
    assert table["state"] == ["ended", "stopped"]
    assert table["best"] == ["trial-0002, trained-model:v1", "trial-0000"]
    assert table["validation/accuracy"] == ["90.00 %", "80.00 %"]
    assert table["trials"] == ["4: 1 completed, 1 stopped, 2 failed", "1: 1 completed"]
    assert list(table)[:3] == ["", "state", "best"]
    assert "learning_rate" in list(table)[list(table).index("parameters") :]
    assert table["train.epochs"] == ["3", "5"]
    assert "train.batch_size" not in table
    assert re.fullmatch(
        r"\d+ values of the configs are the same \(--all shows them\)", out.splitlines()[-1]
    )
    whole = show("told", "other", "--all")[1]
    assert re.search(r"^train\.batch_size +128 +128$", whole, re.MULTILINE)
    assert "--all shows" not in whole
    answer = json.loads(show("told", "other", "--json")[1])
    assert [each["sweep"] for each in answer["sweeps"]] == ["told", "other"]
    values = "sweep.parameters.learning_rate.values"
    assert answer["differences"] == {"train.epochs": [3, 5], values: [[0.01, 0.03], [0.5]]}


def test_sweeps_of_other_code_side_by_side(told: ToldSweep) -> None:
    """The keys of a part that one of them does not have are no difference that somebody made."""
    view = view_of(told.stored(), artifacts=False)
    own = {"target": "mine:net", "width": 8, "depth": 2}
    other = replace(view, sweep="other", config={**view.config, "model": own})
    lines = comparison_lines([view, other], 200, lambda text, _: text)
    config = [line.split()[0] for line in lines[lines.index("config") + 1 :] if line]
    assert config[0] == "model.target"
    alone = len(view.config["model"]) + 2
    assert f"; {alone} keys only some of these sweeps have (--all shows them)" in lines[-1]
    whole = comparison_lines([view, other], 200, lambda text, _: text, whole=True)
    assert {"model.width", "model.dropout"} <= {line.split()[0] for line in whole if line}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["told", "9"], "told: has no trial 9; it has 4, trial-0000 to trial-0003"),
        (["nobody"], "no sweep named nobody"),
        (["told", "nobody"], "no sweep named nobody"),
        (["--csv", "-", "--json"], "--csv -: stdout is for the JSON object"),
        (["--csv", "no/such/folder/x.csv"], "--csv no/such/folder/x.csv: cannot be written"),
    ],
)
def test_wrong_input(show: Show, told: ToldSweep, arguments: list[str], complaint: str) -> None:
    code, out, err = show(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"raysweep: {complaint}")
    assert err.count("\n") == 1


def test_a_sweep_that_was_stopped(show: Show, tmp_path: Path) -> None:
    ToldSweep.create(tmp_path / "runs").trial(0, [50.0])
    _, out, _ = show()
    assert out.startswith("told  stopped before it had a best; ")
    assert "1 of 4 trials: 0 completed, 0 stopped early, 0 failed, 1 waiting" in out
    assert "best so far: trial-0000, validation/accuracy 50.00 %" in out
    assert "\ngo on: python -m raysweep resume told --storage " in out
    answer: dict[str, Any] = json.loads(show("--json")[1])
    assert (answer["failures"], answer["artifacts"]) == ([], {})
    assert (answer["best"], answer["test"], answer["state"]) == (None, None, "stopped")


def test_ten_thousand_trials_take_no_minutes(show: Show, tmp_path: Path) -> None:
    """About 1 s on an idle machine. Rich alone would take 4 s for the table; a quadratic step in
    ranking or replay, minutes."""
    sweep = ToldSweep.create(tmp_path / "runs")
    first = sweep.folder.journal.read_text()
    sweep.trial(0, [50.0, 60.0, 55.0], learning_rate=0.01).ended(0)
    events = sweep.folder.journal.read_text().removeprefix(first)
    more = "".join(events.replace('"index": 0', f'"index": {i}') for i in range(1, 10_000))
    with sweep.folder.journal.open("a") as file:
        file.write(more)
    began = time.process_time()
    _, out, _ = show()
    assert time.process_time() - began < 10
    assert out.count("trial-") == 10_001
