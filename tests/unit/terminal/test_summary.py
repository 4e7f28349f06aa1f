"""The end of a sweep, the winner, the list: nothing important is cut off."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raysweep.events import Display, TrialUpdated
from raysweep.search.space_plan import PlannedParameter, SpacePlan
from raysweep.storage.storage import Storage
from raysweep.sweep.plan import Plan, PlannedStage
from raysweep.sweep.result import Best, Scores, SweepResult, TrialCounts
from raysweep.terminal.console import open_console
from raysweep.terminal.plan import show_plan, show_space
from raysweep.terminal.summary import show_best, show_result, show_sweeps
from raysweep.trials.training.kind import DISPLAY

from terminal_sweep import METRIC, trial

LONG_ERROR = "RuntimeError: [/tmp/x] " + "a long story " * 20 + "with an end"
LONG_PATH = Path("/a folder") / ("x" * 120) / "trained_model.pth"


@pytest.fixture
def narrow() -> Console:
    """A console of 80 columns, as of a terminal."""
    console = open_console(io.StringIO())
    console.width = 80
    return console


@pytest.fixture
def pipe() -> Console:
    return open_console(io.StringIO())


def text_of(console: Console) -> str:
    """Return what was printed to a console with an io.StringIO."""
    text: str = getattr(console.file, "getvalue")()  # noqa: B009
    return text


@pytest.fixture
def result() -> SweepResult:
    rows = (
        trial(0, "completed", 2, 80.0),
        trial(1, "failed", 1, error=LONG_ERROR),
        trial(2, "stopped", 1, 90.5),
        *(trial(i, "completed", 2, float(i)) for i in range(3, 14)),
    )
    return SweepResult(
        sweep="digits-20261123-0915-3fa2",
        project="artifacts-example",
        tracker="trackio",
        artifacts={},
        cached_stages=(),
        trials=TrialCounts.of(list(rows)),
        best=Best("trial-0002", "trained-model:v2", rows[2].overrides, rows[2].best or {}),
        test=Scores(loss=0.123456, accuracy=91.2345),
        wall_s=75.0,
        folder=LONG_PATH.parents[1],
        model_path=LONG_PATH,
        promotion="best is trained-model:v2, was trained-model:v0",
        metric=METRIC,
        goal="maximize",
        rows=rows,
        display=DISPLAY,
    )


def test_the_summary_of_a_sweep(pipe: Console, result: SweepResult) -> None:
    rows = result.rows[:1] + result.rows[2:3]
    show_result(pipe, replace(result, rows=rows, trials=TrialCounts.of(list(rows))), None)
    lines = [line.rstrip() for line in text_of(pipe).splitlines()]
    assert lines == [
        "leaderboard by validation/accuracy (maximize)",
        "   trial       state      epochs  val. accuracy  val. loss  values",
        "1  trial-0002  stopped    1/2     90.50 %        1.0000     learning_rate=0.003 epochs=2",
        "2  trial-0000  completed  2/2     80.00 %        1.0000     learning_rate=0.001 epochs=2",
        "2 trials: 1 completed, 1 stopped early, 0 failed; 1 min 15 s in all",
        "",
        "best: trained-model:v2 of trial-0002 (learning_rate=0.003 epochs=2)",
        "test accuracy 91.23 %, test loss 0.1235",
        "best is trained-model:v2, was trained-model:v0",
        f"model: {LONG_PATH}",
        "",
        f"see it: python -m raysweep report {result.sweep}",
    ]


def test_a_winner_without_a_model_and_a_test_score(pipe: Console, result: SweepResult) -> None:
    rows = tuple(replace(row, epochs=None) for row in result.rows[2:3])
    bare = replace(
        result,
        rows=rows,
        trials=TrialCounts.of(list(rows)),
        best=replace(result.best, artifact=None),
        test=Scores(),
        model_path=None,
        promotion="nothing is tagged best",
        tracker="wandb",
        display=Display(),
    )
    show_result(pipe, bare, None)
    lines = [line.rstrip() for line in text_of(pipe).splitlines()]
    assert lines[2].startswith("1  trial-0002  stopped  1        90.5 ")
    assert lines[5:] == [
        "best: trial-0002 (learning_rate=0.003 epochs=2)",
        "nothing is tagged best",
        "",
        "see it: python -m raysweep report digits-20261123-0915-3fa2",
    ]
    stored = bare.at(Storage(Path("/a folder"))).to_json()
    assert (stored["best"]["artifact"], stored["test"]) == (None, {})
    show_best(pipe, "mine", stored, None, DISPLAY)
    assert "mine: trial-0002 (" in text_of(pipe)


@pytest.mark.parametrize(
    ("ended_by", "said"),
    [
        ("target", "1 min 15 s in all; ended by metric.target, which was reached"),
        ("max_time", "1 min 15 s in all; ended by max_time"),
        ("max_trials", "1 min 15 s in all; ended by max_trials"),
        ("max_epochs_total", "1 min 15 s in all; ended by max_epochs_total"),
    ],
)
def test_what_ended_the_sweep_is_shown(
    pipe: Console, result: SweepResult, ended_by: Any, said: str
) -> None:
    show_result(pipe, replace(result, ended_by=ended_by), None)
    assert (
        f"14 trials: 12 completed, 1 stopped early, 1 failed; {said}" in text_of(pipe).splitlines()
    )


def repeated(index: int, accuracy: float | None) -> TrialUpdated:
    state = "failed" if accuracy is None else "completed"
    row = trial(index, state, 2, accuracy, error="Boom" if accuracy is None else None)
    values = {"learning_rate": 0.1 * (index // 2 + 1)}
    return replace(row, repeat=index % 2, overrides=values)


def test_repeats_have_one_row_per_configuration(pipe: Console, result: SweepResult) -> None:
    scores = [70.0, 71.0, 80.0, 90.0, None, 99.0]
    rows = tuple(repeated(index, score) for index, score in enumerate(scores))
    best = Best("trial-0003", "trained-model:v3", rows[3].overrides, {METRIC: 90.0}, 2, 85.0, 7.071)
    result = replace(result, rows=rows, repeats=2, best=best, trials=TrialCounts.of(list(rows)))
    show_result(pipe, result, None)
    lines = [line.rstrip() for line in text_of(pipe).splitlines()]
    assert lines[:5] == [
        "leaderboard by the mean validation/accuracy (maximize)",
        "   best trial  finished  mean val. accuracy  best val. accuracy  values",
        "1  trial-0003  2 of 2    85.00 ± 7.07 %      90.00 %             learning_rate=0.2",
        "2  trial-0001  2 of 2    70.50 ± 0.71 %      71.00 %             learning_rate=0.1",
        "3  trial-0005  1 of 2    99.00 %             99.00 %             learning_rate=0.3",
    ]
    assert "best: trained-model:v3 of trial-0003 (learning_rate=0.2)" in lines
    assert "validation/accuracy 85.00 ± 7.07 % over 2 repeats" in lines
    show_best(pipe, result.sweep, result.to_json(), None, DISPLAY)
    assert "  mean ± std           85 ± 7.071 over 2 repeats" in text_of(pipe).splitlines()


@pytest.mark.parametrize("width", [80, None])
def test_text_for_copying_is_on_one_line(result: SweepResult, width: int | None) -> None:
    console = open_console(io.StringIO())
    console.width = width or console.width
    storage = Path("/a folder") / ("y" * 100)
    show_result(console, result, storage)
    lines = text_of(console).splitlines()
    assert f"model: {LONG_PATH}" in lines
    assert f"see it: python -m raysweep report {result.sweep} --storage '{storage}'" in lines
    assert f"trial-0001 failed: {LONG_ERROR}" in " ".join(text_of(console).split())


def test_a_long_leaderboard_is_cut_and_says_so(narrow: Console, result: SweepResult) -> None:
    show_result(narrow, result, None)
    text = text_of(narrow)
    assert "… 4 more" in text
    assert "trial-0002" in text
    assert "14 trials: 12 completed, 1 stopped early, 1 failed" in text
    for word in ("learning_rate=0.003", "epochs=2", "90.50 %", "completed"):
        assert word in text


def test_another_metric_has_its_own_column(pipe: Console, result: SweepResult) -> None:
    show_result(pipe, replace(result, metric="train/loss", goal="minimize", tracker="wandb"), None)
    assert "train loss  val. accuracy  val. loss" in text_of(pipe)


def test_the_last_line_shows_it_and_the_one_before_sends_what_w_and_b_lacks(
    pipe: Console, result: SweepResult
) -> None:
    show_result(pipe, replace(result, tracker="wandb", unsent=("report-mine",)), None)
    *_, send, empty, see = text_of(pipe).splitlines()
    assert send == f"send it: python -m raysweep sync {result.sweep}"
    assert (empty, see) == ("", f"see it: python -m raysweep report {result.sweep}")


def sweep_row(name: str, *, ended: bool = True) -> dict[str, Any]:
    result = {
        "trials": {"total": 8},
        "best": {"artifact": "trained-model:v12"},
        "test": {"accuracy": 98.7654},
    }
    return {
        "sweep": name,
        "created": "2026-11-23T09:15:42+00:00",
        "tracker": "trackio",
        "state": "ended" if ended else "stopped",
        "result": result if ended else None,
    }


DISPLAYS = defaultdict(lambda: DISPLAY)
NAMES = ["mnist-20261123-0915-3fa2", "fashionmnist-20261123-0916-12ab"]


def test_piped_every_sweep_is_one_line(pipe: Console) -> None:
    name = "a-name-of-the-greatest-length-" + "x" * 34
    show_sweeps(pipe, [*map(sweep_row, NAMES), sweep_row(name, ended=False)], DISPLAYS)
    header, *lines = text_of(pipe).splitlines()
    assert header.split("  ")[0] == "sweep"
    assert [line.split()[0] for line in lines] == [*NAMES, name]
    assert lines[0].split() == [
        NAMES[0], "2026-11-23", "09:15", "trackio", "ended", "8", "trained-model:v12",
        "accuracy", "98.77", "%",
    ]  # fmt: skip
    assert lines[2].split()[-4:] == ["stopped", "–", "none", "–"]


def test_on_80_columns_no_name_is_cut(narrow: Console) -> None:
    show_sweeps(narrow, [*map(sweep_row, NAMES)], DISPLAYS)
    text = text_of(narrow)
    assert [name for name in NAMES if name in text] == NAMES
    assert "…" not in text
    assert "98.77" in text
    assert max(map(len, text.splitlines())) <= 80


def test_on_80_columns_a_long_name_is_whole(narrow: Console) -> None:
    name = "abcdefgh" * 11
    show_sweeps(narrow, [sweep_row(name)], DISPLAYS)
    assert name in text_of(narrow).splitlines()[1]


def test_on_60_columns_columns_go_and_no_word_is_broken(result: SweepResult) -> None:
    console = open_console(io.StringIO())
    console.width = 60
    show_sweeps(console, [*map(sweep_row, NAMES)], DISPLAYS)
    lines = text_of(console).splitlines()
    assert [line.split()[0] for line in lines[1:]] == NAMES
    assert max(map(len, lines)) <= 60


def test_no_sweeps_is_an_empty_table(pipe: Console) -> None:
    show_sweeps(pipe, [], DISPLAYS)
    assert text_of(pipe).split()[0] == "sweep"


def test_the_winner_of_a_stored_sweep(narrow: Console, result: SweepResult) -> None:
    show_best(narrow, result.sweep, result.to_json(), LONG_PATH.parent, DISPLAY)
    assert text_of(narrow).splitlines() == [
        "digits-20261123-0915-3fa2: trained-model:v2 of trial-0002 (learning_rate=0.003",
        "epochs=2)",
        "  validation/accuracy  90.50 %",
        "  validation/loss      1.0000",
        "  test/loss            0.1235",
        "  test/accuracy        91.23 %",
        f"  downloaded to {LONG_PATH.parent}",
    ]


def test_the_plan_in_a_screenful(narrow: Console) -> None:
    many = "0.1 | " * 30 + "0.7"
    plan = Plan(
        tracker="trackio",
        reason="no W&B key is configured, so runs are kept in Trackio here",
        storage=str(LONG_PATH.parent),
        warning="MNIST is not in [/data]: run would download it",
        stages=(
            PlannedStage("load", "mnist-raw", "mnist-raw:v0"),
            PlannedStage("initialize", "convnet", None),
        ),
        space=(
            PlannedParameter(
                "learning_rate", many, "train.learning_rate", "categorical", many, size=31
            ),
        ),
        method="random",
        trials=8,
        epochs=1,
        early_terminate="",
        metric=METRIC,
        goal="maximize",
        combinations=31,
        first=({"learning_rate": 0.3}, {"learning_rate": 0.4}),
        notices=("a.yaml: sweep.program: not used",),
    )
    show_plan(narrow, plan)
    text = text_of(narrow)
    assert f"storage  {LONG_PATH.parent}" in text.splitlines()
    assert "MNIST is not in [/data]" in text
    assert "reused: mnist-raw:v0" in text
    assert "would run" in text
    assert text.count("0.1") == 30
    assert "0.7" in text
    assert "train.learning_rate" in text
    assert "random: 8 trials of up to 1 epoch; best by validation/accuracy (maximize)" in text
    assert "WARNING" not in text, "what to know of the config is for stderr"
    assert text.splitlines()[-5:] == [
        "the space has 31 combinations",
        "",
        "first to run:",
        "1  learning_rate=0.3",
        "2  learning_rate=0.4",
    ]


def test_the_plan_of_a_search_with_a_budget(narrow: Console) -> None:
    plan = Plan(
        tracker="trackio",
        reason="",
        storage="runs",
        warning=None,
        stages=(),
        space=(),
        method="bayes",
        trials=8,
        epochs=1,
        early_terminate="",
        metric=METRIC,
        goal="maximize",
        search=("sampler gp", "ends after 90 s"),
        may_end_early=True,
    )
    show_plan(narrow, plan)
    *_, first, second, third, last = text_of(narrow).splitlines()
    assert first.startswith("bayes: at most 8 trials of up to 1 epoch")
    assert (second, third) == ("sampler gp", "ends after 90 s")
    assert last == "bayes chooses each configuration during the sweep, from the results so far"


def test_a_space_alone_says_how_it_ends_and_what_bayes_does(pipe: Console) -> None:
    one = PlannedParameter("lr", "1 | 2", None, "categorical", "1 | 2", 2)
    show_space(pipe, SpacePlan("bayes", None, (one,), 2, ()))
    show_space(pipe, SpacePlan("grid", 1, (one,), 2, ({"lr": 1},)))
    lines = [line.rstrip() for line in text_of(pipe).splitlines() if line.strip()]
    assert lines == [
        "parameter  distribution  range",
        "lr         categorical   1 | 2",
        "bayes: no run_cap, so it would never end",
        "the space has 2 combinations",
        "bayes chooses each configuration during the sweep, from the results so far",
        "parameter  distribution  range",
        "lr         categorical   1 | 2",
        "grid: 1 trial",
        "the space has 2 combinations",
        "first to run:",
        "1  lr=1",
    ]
