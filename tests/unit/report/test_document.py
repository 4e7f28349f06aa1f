"""What the page knows: axes, importances, histories, media and lineage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysweep.report import trials
from raysweep.report.axes import axes_of
from raysweep.report.document import Shown, document
from raysweep.report.evaluation import media_json
from raysweep.report.importances import importances
from raysweep.report.lineage import graph_json
from raysweep.sweep.axes import space_of
from raysweep.sweep.view import SweepView, TrialView, load_view
from raysweep.tracking.port import Lineage, LineageNode
from raysweep.tracking.store import Pictures, Table

from recorded_sweep import EPOCHS, record


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> SweepView:
    """Of 40 completed trials, four stopped and one failed."""
    storage = tmp_path_factory.mktemp("runs")
    record(storage, "one", [*["completed"] * 35, *["stopped"] * 4, "failed"])
    return load_view(storage, "one")


def with_values(view: SweepView, **columns: list[Any]) -> SweepView:
    """The view with only these parameters."""
    rows = zip(*columns.values(), strict=True)
    swept = [
        replace(trial, values=dict(zip(columns, row, strict=True)))
        for trial, row in zip(view.trials, rows, strict=False)
    ]
    return replace(view, trials=tuple(swept))


def test_an_axis_is_log_where_the_space_is(view: SweepView) -> None:
    axes = {axis.name: axis for axis in axes_of([view])}
    assert axes["learning_rate"].log
    assert not axes["model.dropout"].log
    assert axes["train.optimizer"].choices == ("Adam", "SGD")
    assert axes["train.batch_size"].log, "16, 32, 64 spread by factors"
    assert axes["train.batch_size"].listed == (16, 32, 64)


def test_what_all_trials_have_has_no_axis(view: SweepView) -> None:
    def with_epochs(value: int, **more: Any) -> SweepView:
        swept = {**view.config["sweep"]["parameters"], "epochs": {"value": value}, **more}
        config = {**view.config, "sweep": {**view.config["sweep"], "parameters": swept}}
        trials = [replace(each, values={**each.values, "epochs": value}) for each in view.trials]
        return replace(view, config=config, space=space_of(config), trials=tuple(trials))

    one, other = with_epochs(3), with_epochs(4)
    names = [axis.name for axis in axes_of([view])]
    assert [axis.name for axis in axes_of([one])] == names
    assert [axis.name for axis in axes_of([one, other])] == [*names, "epochs"], "they differ in it"
    page = document([Shown(one, "here")])
    assert page["sweeps"][0]["fixed"] == "All trials: epochs 3."
    assert "epochs" not in page["sweeps"][0]["lead"]
    assert page["trials"][0]["v"]["epochs"] == 3


def test_values_that_are_no_numbers_are_choices(view: SweepView) -> None:
    odd = with_values(view, size=[[8, 16], [4], None], mixed=[1, "two", True], zero=[0.0, 0.1, 5])
    axes = {axis.name: axis for axis in axes_of([odd]) if axis.name in ("size", "mixed", "zero")}
    assert axes["size"].choices == ("[8, 16]", "[4]", "null")
    assert axes["mixed"].choices == ("1", "two", "true")
    assert axes["zero"].choices is None
    assert not axes["zero"].log, "a log axis has no zero"


def test_the_parameter_that_decides_is_the_most_important(view: SweepView) -> None:
    axes = axes_of([view])
    found = importances(view, axes)
    assert next(iter(found["shares"])) == "learning_rate"
    assert found["note"] == "fANOVA, of 39 trials."
    many = replace(view, trials=view.trials * 6)
    found = importances(many, axes)
    assert next(iter(found["shares"])) == "learning_rate"
    assert found["note"] == "PED-ANOVA, of 234 trials."


def test_importances_say_why_there_are_none(view: SweepView) -> None:
    axes = axes_of([view])
    few = replace(view, trials=view.trials[:3])
    assert "at least 6 trials with a score; there are 3" in importances(few, axes)["note"]
    same = {view.metric: 50.0}
    even = replace(view, trials=tuple(replace(each, metrics=same) for each in view.trials))
    assert "same score" in importances(even, axes)["note"]
    alike = replace(view, trials=tuple(replace(each, values={"a": 1}) for each in view.trials))
    assert importances(alike, axes_of([alike])) == {
        "method": "",
        "note": "No parameter varies among all of the trials.",
        "shares": {},
    }


def test_a_trial_has_its_history_its_error_and_the_end_of_its_log(view: SweepView) -> None:
    texts = trials.Texts()
    rows = trials.trials_json([view], texts)
    kept = texts.to_json()
    assert rows[0]["x"] == list(range(1, EPOCHS + 1))
    assert set(rows[0]["h"]) == {"validation/accuracy", "validation/loss"}
    assert (rows[0]["node"], rows[0]["w"]) == ("one", "one/pid 11")
    failed = rows[-1]
    assert (failed["st"], failed["wh"]) == ("failed", "train.py:12")
    assert kept[failed["e"]] == "KeyError: 1"
    assert kept[failed["tb"]] == "Traceback\nKeyError: 1"
    assert kept[failed["l"]].endswith("the last line")
    assert "y" not in failed
    assert len({row["l"] for row in rows}) == 1, "the same text is kept once"


def test_long_histories_and_logs_are_cut_and_nan_is_none(view: SweepView, tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {i}\n" for i in range(100_000)))
    history = tuple({"epoch": i, "step": 9 * i, "loss": i / 7} for i in range(100_000))
    last = {"epoch": 100_000, "step": 900_000, "loss": float("nan")}
    trial = replace(view.trials[0], history=(*history, last), log=log)
    texts = trials.Texts()
    many = replace(view, trials=(trial,) * 30)
    row, *_ = trials.trials_json([many], texts)
    assert 20 < len(row["x"]) < 60_000
    assert (row["x"][0], row["x"][-1]) == (1, 100_001)
    assert row["h"]["loss"][-1] is None
    assert row["h"]["loss"][1] == pytest.approx((row["x"][1] - 1) / 7, rel=1e-5)
    (end,) = (text for text in texts.to_json() if text.endswith("line 99999"))
    assert len(end) <= 8000
    assert end.startswith("line ")


class OneRun:
    """A store whose run logged these media."""

    def __init__(self, **media: Any) -> None:
        self.media = media

    def runs(self, run_id: str) -> list[str]:
        return [run_id]

    def rows(self, run_id: str) -> list[Any]:
        return [self]


def test_media_without_pictures_or_accuracy() -> None:
    store: Any = OneRun(
        residuals=Pictures(((b"png", "far off"), (b"png", "near"))),
        errors=Table(("part", "error"), (("a", 0.5), ("b", 0.25))),
    )
    found = media_json(store, "report")
    (pictures,), (table,) = found["pictures"], found["tables"]
    assert [each["caption"] for each in pictures["items"]] == ["far off", "near"]
    assert (pictures["title"], pictures["hardest"]) == ("residuals", False)
    assert table["matrix"] is False
    assert table["rows"] == [["a", 0.5], ["b", 0.25]]


def test_every_edge_of_the_lineage_leads_to_the_right() -> None:
    versions = [LineageNode(f"artifact:m:v{i}", "artifact", "m", type="model", version=f"v{i}")
                for i in range(9)]  # fmt: skip
    runs = [LineageNode(f"run:{i}", "run", f"trial-{i}-mine", job_type="train") for i in range(9)]
    data = LineageNode("artifact:d:v0", "artifact", "d", type="dataset", version="v0")
    edges = [(data.id, run.id) for run in runs]
    edges += [(run.id, version.id) for run, version in zip(runs, versions, strict=True)]
    graph = graph_json(Lineage(versions[7].id, (data, *runs, *versions), tuple(edges)), "mine")
    column = {node["id"]: node["column"] for node in graph["nodes"]}
    assert all(column[start] < column[end] for start, end in graph["edges"])
    names = [node["name"] for node in graph["nodes"]]
    assert "trial-0" in names, "without the sweep's name"
    assert names.count("6 more") == 2, "many of a kind are one node"
    assert [node["name"] for node in graph["nodes"] if node["focus"]] == ["m:v7"]


def test_a_document_is_json_whatever_the_values(view: SweepView) -> None:
    trial: TrialView = replace(view.trials[0], values={"sizes": (1, 2), "nan": float("nan")})
    odd = replace(view, trials=(trial, *view.trials[1:]))
    told = document([Shown(odd, "here")])
    assert json.loads(json.dumps(told, allow_nan=False))["trials"][0]["v"]["nan"] == "NaN"
