"""`scripts/bench` is a promise: its rounds, its table, its refusals, and one measure for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import data, many, recorded, report, turns
from benchmarks.data import Sizes
from raysweep.sweep.view import load_view

from commands import REPOSITORY


def bench(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(REPOSITORY / "scripts"), str(REPOSITORY)])
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def test_contenders_take_turns_and_every_other_round_goes_backwards() -> None:
    order: list[str] = []

    def contender(name: str) -> Any:
        return lambda number: order.append(f"{name}{number}") or {"wall_s": 2.0 + number}

    rounds = turns.in_turn({"A": contender("A"), "B": contender("B")}, 3)
    assert order == ["A0", "B0", "B1", "A1", "A2", "B2"]
    assert [list(each) for each in rounds] == [["A", "B"]] * 3
    assert turns.medians(rounds) == {"A": 3.0, "B": 3.0}


def test_a_ratio_is_of_one_round() -> None:
    rounds = [
        {"A": {"wall_s": 10.0}, "B": {"wall_s": 5.0}},
        {"A": {"wall_s": 40.0}, "B": {"wall_s": 10.0}},
    ]
    assert turns.ratios(rounds, "A", "B") == [2.0, 4.0]


def test_a_contender_that_fails_says_why() -> None:
    with pytest.raises(turns.ContenderFailed, match=r"exit 3\n.*oh dear"):
        turns.run_process([sys.executable, "-c", "import sys; print('oh dear'); sys.exit(3)"])


def test_figures_are_the_last_json_that_was_printed() -> None:
    told = turns.run_process([sys.executable, "-c", "print('{\"a\": 1}'); print('bye')"])
    assert told["a"] == 1
    assert told["wall_s"] > 0


def test_a_line_says_whether_its_target_is_met() -> None:
    assert report.Line.at_most("x", 1.1, 1.1).met
    assert not report.Line.at_most("x", 1.2, 1.1).met
    assert report.Line.at_least("x", 4.0, 4).met
    assert not report.Line.at_least("x", 3.9, 4).met


def test_the_table_has_a_row_a_line_and_the_machine_above() -> None:
    header = {
        "cpu": "A CPU",
        "cpus": 2,
        "cpu_flags": ["avx2"],
        "commit": "abc",
        "date": "2026-01-01",
        "python": "3.11",
        "ray": None,
        "torch": "2.14",
        "trackio": None,
    }
    lines = [report.Line.at_least("faster", 1.234, 4, pairs=[1.0, 1.5], figures={"P2 s": 123.4})]
    table = report.table(header, lines)
    assert "A CPU, 2 CPUs (avx2); python 3.11, torch 2.14; commit abc" in table
    assert "| faster | 1.23 × (1.00 to 1.50) | ≥ 4 | **no** | P2 s 123 |" in table


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pairs", "0"], "--pairs 0: at least 1"),
        (["--pictures", "0"], "--pictures 0: at least 1"),
        (["--data", "/nowhere"], "--data /nowhere: MNIST is not there"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    arguments: list[str], says: str, tmp_path: Path
) -> None:
    done = bench(*arguments, "--json", tmp_path / "out" / "bench.json")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_recorded_sweep_is_one_that_ran_and_may_be_cut_off(tmp_path: Path) -> None:
    recorded.record(tmp_path / "runs", 5)
    view = load_view(tmp_path / "runs")
    assert [len(trial.history) for trial in view.trials] == [recorded.EPOCHS] * 5
    assert [trial.state for trial in view.trials] == ["completed"] * 5
    (view.folder / "result.json").write_text("{}")
    cut = load_view(many.cut_off(tmp_path / "runs", 3, tmp_path / "cut"))
    assert [trial.trial for trial in cut.trials] == ["trial-0000", "trial-0001", "trial-0002"]
    assert cut.state == "stopped"


def test_without_a_gpu_there_is_nothing_to_measure_on_one(mnist_root: Path, tmp_path: Path) -> None:
    arguments = ["--gpu", "--data", mnist_root, "--json", tmp_path / "bench.json"]
    done = bench(*arguments, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "--gpu: there is no CUDA device here" in done.stderr


def test_the_evaluation_is_measured_and_finds_the_same_pictures(
    mnist_root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bench.json"
    done = bench("--only", "evaluation", "--pairs", "1", "--data", mnist_root, "--json", file)
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(file.read_text())["lines"]
    assert line["value"] > 3
    assert "evaluation of 10,000 test images" in done.stdout


def test_the_limit_trains_every_rate_on_as_many_processes(mnist_root: Path, tmp_path: Path) -> None:
    """The peer of `--gpu`, too, here on the CPU."""
    pictures = data.prepare(mnist_root, tmp_path / "few", Sizes(200, 50, 50))
    asked = {
        "folder": str(pictures.folder),
        "model": str(pictures.model(0)),
        "learning_rates": [1e-3, 2e-3, 3e-3],
        "train": {"epochs": 1, "batch_size": 50},
        "workers": 2,
        "device": "cpu",
    }
    paths = os.pathsep.join([str(REPOSITORY / "scripts"), str(REPOSITORY)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        figures = turns.run_peer("packed", **asked)
    assert len(figures["accuracies"]) == 3
    assert 0 < figures["trained_s"] < figures["wall_s"]
