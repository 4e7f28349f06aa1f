"""The report on the winner, and where the alias `best` goes."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysweep.config import Config
from raysweep.errors import ArtifactCorrupt, ArtifactNotFound
from raysweep.ml import datasets
from raysweep.stages.versions import FixedVersions
from raysweep.tracking import ArtifactDraft, ArtifactVersion, RunSpec
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.inputs import fetch
from raysweep.trials.training.evaluator import Evaluator, Report
from raysweep.trials.training.promotion import Promote

from workshop import Workshop, digits_config, run_stages

LOSS = "validation/loss"
TEST_SIZE = 297

OneEpoch = Callable[..., ArtifactVersion]


@pytest.fixture
def train(workshop: Workshop, make_config: Callable[..., Config]) -> OneEpoch:
    """train("trial-0000", learning_rate=0.01): a model of one epoch."""

    def trained(name: str, learning_rate: float = 0.01, **changes: Any) -> ArtifactVersion:
        parameters = {"learning_rate": {"values": [learning_rate]}}
        sweep = {"method": "grid", "parameters": parameters}
        return workshop.trained(make_config(train={"epochs": 1}, sweep=sweep), name, **changes)

    return trained


@pytest.fixture
def better_and_worse(train: OneEpoch) -> tuple[ArtifactVersion, ArtifactVersion]:
    """Two models; the second barely learnt."""
    better, worse = train("trial-0000", 0.01), train("trial-0001", 1e-7)
    assert better.metadata["metrics"][LOSS] < worse.metadata["metrics"][LOSS]
    return better, worse


def report_on(
    workshop: Workshop,
    model: ArtifactVersion,
    promote: Promote = "always",
    sweep: str = "digits-test",
    metric: str = LOSS,
) -> Report:
    goal = "maximize" if metric.endswith("accuracy") else "minimize"
    context = workshop.context(
        digits_config(tracking={"promote": promote}),
        sweep=SweepIdentity(sweep, sweep),
        metric=metric,
        goal=goal,
    )
    return Evaluator(context).report(model.ref)


def holder(workshop: Workshop, alias: str = "best") -> str:
    return workshop.tracker.artifact(f"trained-model:{alias}").ref


def test_the_report_run_uses_both_and_sums_up(workshop: Workshop, train: OneEpoch) -> None:
    report = report_on(workshop, model := train("trial-0000"))
    run = workshop.tracker.run(report.run)
    assert (run.job_type, run.group, run.state) == ("report", "digits-test", "finished")
    assert run.used == (workshop.data.ref, model.ref)
    assert run.logged == ()
    assert run.summary == dict(report.scores)
    assert run.config["model"] == model.ref
    assert 0 < report.scores["loss"] < 10
    assert 0 <= report.scores["accuracy"] <= 100


def test_the_confusion_table_counts_every_test_picture(workshop: Workshop, train: OneEpoch) -> None:
    report = report_on(workshop, train("trial-0000"))
    columns, rows = workshop.tracker.table(report.run, "confusion-matrix")
    assert columns == ["label", *(f"predicted {i}" for i in range(10))]
    assert [row[0] for row in rows] == list(range(10))
    counts = np.array([row[1:] for row in rows])
    assert counts.sum() == TEST_SIZE
    assert 100 * counts.trace() / TEST_SIZE == pytest.approx(report.scores["accuracy"])
    test = datasets.read_split(
        fetch(workshop.tracker, workshop.data.ref, workshop.inputs) / "test.pt"
    )
    assert counts.sum(axis=1).tolist() == torch.bincount(test.y, minlength=10).tolist()


def test_the_hardest_pictures_are_those_of_the_test_split(
    workshop: Workshop, train: OneEpoch
) -> None:
    report = report_on(workshop, train("trial-0000"))
    images = workshop.tracker.images(report.run, "high-loss-examples")
    assert len(images) == 32
    test = datasets.read_split(
        fetch(workshop.tracker, workshop.data.ref, workshop.inputs) / "test.pt"
    )
    known = {}
    for picture, label in zip(test.x, test.y, strict=True):
        pixels = (picture.squeeze(0) * 255).round().to(torch.uint8).numpy()
        known[pixels.tobytes()] = int(label)
    for image in images:
        assert (image.pixels.shape, image.pixels.dtype) == ((28, 28), np.uint8)
        assert re.fullmatch(r"\d,\d", image.caption)
        label = image.caption.split(",")[1]  # "predicted,label"
        assert known[image.pixels.tobytes()] == int(label)
    wrong = [image for image in images if image.caption[0] != image.caption[2]]
    assert wrong, "the pictures of highest loss are mostly those got wrong"


def test_always_moves_best_and_leaves_a_trace_of_each_sweep(
    workshop: Workshop, better_and_worse: tuple[ArtifactVersion, ArtifactVersion]
) -> None:
    better, worse = better_and_worse
    first = report_on(workshop, better, sweep="one")
    assert (first.promoted, first.reason) == (True, f"best is {better.ref}")
    second = report_on(workshop, worse, sweep="two")
    assert (second.promoted, second.reason) == (True, f"best is {worse.ref}, was {better.ref}")
    assert holder(workshop) == worse.ref
    assert holder(workshop, "best-one") == better.ref
    assert holder(workshop, "best-two") == worse.ref


def test_if_better_keeps_the_holder_that_is_not_beaten(
    workshop: Workshop, better_and_worse: tuple[ArtifactVersion, ArtifactVersion]
) -> None:
    better, worse = better_and_worse
    assert report_on(workshop, better, "if_better", sweep="one").promoted
    report = report_on(workshop, worse, "if_better", sweep="two")
    assert not report.promoted
    assert re.fullmatch(
        rf"best stays {better.ref}: validation/loss \d\.\d+ is not beaten by \d\.\d+", report.reason
    )
    assert holder(workshop) == better.ref
    assert holder(workshop, "best-two") == worse.ref


def test_if_better_moves_best_to_one_that_is(
    workshop: Workshop, better_and_worse: tuple[ArtifactVersion, ArtifactVersion]
) -> None:
    better, worse = better_and_worse
    report_on(workshop, worse, "if_better", sweep="one")
    assert report_on(workshop, better, "if_better", sweep="two").promoted
    assert holder(workshop) == better.ref


def test_an_equal_does_not_beat_the_holder(workshop: Workshop, train: OneEpoch) -> None:
    first, second = train("trial-0000"), train("trial-0001")
    assert first.ref != second.ref
    report_on(workshop, first, "if_better", sweep="one")
    assert not report_on(workshop, second, "if_better", sweep="two").promoted
    assert holder(workshop) == first.ref


def test_reporting_on_the_holder_again_is_no_contest(workshop: Workshop, train: OneEpoch) -> None:
    model = train("trial-0000")
    report_on(workshop, model, "if_better", sweep="one")
    again = report_on(workshop, model, "if_better", sweep="two")
    assert (again.promoted, again.reason) == (True, f"best is {model.ref}")


def test_other_data_cannot_be_compared(
    workshop: Workshop, train: OneEpoch, make_config: Callable[..., Config]
) -> None:
    better = train("trial-0000", 0.01)
    other = run_stages(workshop.tracker, workshop.sweep, make_config(data={"train_size": 600}))[1]
    versions = FixedVersions({"data": other.artifact, "model": workshop.model})
    worse = train("trial-0001", 1e-7, versions=versions)
    report_on(workshop, worse, "if_better", sweep="one")
    report = report_on(workshop, better, "if_better", sweep="two")
    assert not report.promoted
    assert "chosen on other data" in report.reason
    assert holder(workshop) == worse.ref


def as_if_trained_on(workshop: Workshop, data_set: str) -> ArtifactVersion:
    """A model that says it was trained on that data set, and holds `best`."""
    run = workshop.tracker.start_run(RunSpec("others", "others", "train", "others"))
    model = workshop.tracker.artifact("trained-model:v0")
    path = Path(tempfile.mkdtemp()) / "trained_model.pth"
    path.write_text("weights")
    metadata = {**model.metadata, "used": {f"{data_set}-preprocess": "v3"} if data_set else {}}
    draft = ArtifactDraft("trained-model", "model", "Theirs", metadata, {path.name: path})
    holder = run.log_artifact(draft)
    workshop.tracker.set_alias(holder.ref, "best")
    shutil.rmtree(path.parent)
    return holder


@pytest.mark.parametrize(("theirs", "shown"), [("mnist", "mnist"), ("", "unknown data")])
def test_best_does_not_leave_a_model_of_another_data_set_unasked(
    workshop: Workshop, train: OneEpoch, theirs: str, shown: str
) -> None:
    """As where the embedded digits stood in for MNIST, in a project that others use."""
    mine = train("trial-0000")
    other = as_if_trained_on(workshop, theirs)
    report = report_on(workshop, mine, None)
    assert report.reason == (
        f"best stays {other.ref}, which was trained on {shown}, and {mine.ref} on digits; "
        "--promote always moves it all the same"
    )
    assert not report.promoted
    assert holder(workshop) == other.ref
    assert holder(workshop, "best-digits-test") == mine.ref
    asked = report_on(workshop, mine, "always")
    assert (asked.promoted, holder(workshop)) == (True, mine.ref)


def test_other_versions_of_one_data_set_are_the_same_task(
    workshop: Workshop, train: OneEpoch, make_config: Callable[..., Config]
) -> None:
    """New pictures of the same data set, or another split: `best` moves as it always did."""
    first = train("trial-0000")
    other = run_stages(workshop.tracker, workshop.sweep, make_config(data={"train_size": 600}))[1]
    versions = FixedVersions({"data": other.artifact, "model": workshop.model})
    second = train("trial-0001", versions=versions)
    report_on(workshop, first, None, sweep="one")
    assert report_on(workshop, second, None, sweep="two").promoted
    assert holder(workshop) == second.ref


def test_a_failed_report_says_why_and_moves_nothing(
    workshop: Workshop, train: OneEpoch, tmp_path: Path
) -> None:
    model = train("trial-0000")
    digest = next(file.digest for file in model.files if file.path == "trained_model.pth")
    (blob,) = (tmp_path / "workshop").rglob(digest)
    blob.chmod(0o644)
    blob.write_bytes(b"changed on disk")
    with pytest.raises(ArtifactCorrupt):
        Evaluator(workshop.context(digits_config())).report(model.ref)
    run = workshop.tracker.run(workshop.sweep.run_id("report"))
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.startswith("ArtifactCorrupt: ")
    with pytest.raises(ArtifactNotFound):
        holder(workshop)


def test_a_model_is_scored_on_the_data_that_it_was_trained_on(
    workshop: Workshop, train: OneEpoch, make_config: Callable[..., Config]
) -> None:
    """Whatever the sweep's own data is: of a swept one, each trial has its own."""
    steps = {"normalize": False, "expand_dims": False}
    other = run_stages(workshop.tracker, workshop.sweep, make_config(preprocess=steps))[1]
    versions = FixedVersions({"data": other.artifact, "model": workshop.model})
    report = report_on(workshop, train("trial-0000", versions=versions))
    assert other.artifact.ref in workshop.tracker.run(report.run).used
    assert workshop.data.ref not in workshop.tracker.run(report.run).used
