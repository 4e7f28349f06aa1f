"""Runs: what every tracker records, and how a run starts, continues and ends."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from raysweep.errors import TrackingError
from raysweep.tracking import Image, RunSpec
from raysweep.tracking.port import STALE_ERRORS


def test_a_run_that_never_logs_keeps_all_that_it_was_started_with(tracker):
    spec = RunSpec(
        id="load-1",
        name="load",
        job_type="load-data",
        group="sweep-a",
        config={"dataset": "MNIST", "train": {"lr": 1e-3, "sizes": [50_000, 10_000]}, "seed": 0},
        tags=("digits", "nightly"),
    )
    run = tracker.start_run(spec)
    assert tracker.run("load-1").state == "running"
    run.finish()

    record = tracker.run("load-1")
    assert (record.id, record.name) == ("load-1", "load")
    assert (record.job_type, record.group) == ("load-data", "sweep-a")
    assert record.config == spec.config
    assert record.tags == ("digits", "nightly")
    assert (record.state, record.error) == ("finished", None)
    assert (record.used, record.logged) == ((), ())
    assert tracker.history("load-1") == []


def test_a_failed_run_keeps_its_error(tracker, start):
    start("t1").finish("failed", "ValueError: loss is NaN")
    record = tracker.run("t1")
    assert (record.state, record.error) == ("failed", "ValueError: loss is NaN")


def test_finish_is_final(tracker, start):
    run = start("t1")
    run.finish("failed", "first")
    run.finish("finished")
    assert tracker.run("t1").error == "first"
    with pytest.raises(TrackingError, match="t1"):
        run.log({"loss": 1.0}, step=1)
    with pytest.raises(TrackingError, match="t1"):
        run.summarize({"loss": 1.0})
    with pytest.raises(TrackingError, match="t1"):
        run.use_artifact("mnist-raw")


def test_history_has_a_row_a_step_in_order(tracker, start):
    run = start("t1")
    for step in (128, 256, 384):
        run.log({"epoch": step // 128, "train/loss": 1 / step}, step=step)
    run.log({"validation/loss": 0.5}, step=384)
    run.finish()
    assert tracker.history("t1") == [
        {"step": 128, "epoch": 1, "train/loss": 1 / 128},
        {"step": 256, "epoch": 2, "train/loss": 1 / 256},
        {"step": 384, "epoch": 3, "train/loss": 1 / 384, "validation/loss": 0.5},
    ]


def test_history_keeps_what_is_not_finite(tracker, start):
    run = start("t1")
    run.log({"loss": math.nan, "best": math.inf, "worst": -math.inf}, step=1)
    run.finish()
    (row,) = tracker.history("t1")
    assert math.isnan(row["loss"])
    assert (row["best"], row["worst"]) == (math.inf, -math.inf)


def test_numpy_scalars_are_numbers(tracker, start):
    run = start("t1", config={"seed": np.int64(3)})
    run.log({"loss": np.float32(0.5)}, step=1)
    run.summarize({"accuracy": np.float64(98.5)})
    run.finish()
    record = tracker.run("t1")
    assert tracker.history("t1") == [{"step": 1, "loss": 0.5}]
    assert record.config == {"seed": 3}
    assert record.summary["accuracy"] == 98.5


def test_summary_keeps_keys_that_are_not_named_again(tracker, start):
    run = start("t1")
    run.summarize({"loss": 0.25, "accuracy": 97.0})
    run.summarize({"accuracy": 98.0})
    run.finish()
    summary = tracker.run("t1").summary
    assert (summary["loss"], summary["accuracy"]) == (0.25, 98.0)


def test_what_is_summarized_stands_whatever_was_logged_last(tracker, start):
    """A trial's summary describes its best epoch, which need not be its last."""
    run = start("t1")
    run.log({"epoch": 1, "loss": 0.25}, step=1)
    run.log({"epoch": 2, "loss": 0.5}, step=2)
    run.summarize({"epoch": 1, "loss": 0.25})
    run.finish()
    summary = tracker.run("t1").summary
    assert (summary["epoch"], summary["loss"]) == (1, 0.25)
    assert [row["loss"] for row in tracker.history("t1")] == [0.25, 0.5]


def test_images_come_back_as_they_were(tracker, start):
    rng = np.random.default_rng(0)
    grey = Image(rng.integers(0, 256, (28, 28), dtype=np.uint8), '7,1 & "quoted"')
    colour = Image(rng.integers(0, 256, (5, 9, 3), dtype=np.uint8), "0,8")
    run = start("report")
    run.log_images("high-loss-examples", [colour], step=1)
    run.log_images("high-loss-examples", [grey, colour], step=2)
    run.log({"loss": 0.1}, step=3)
    run.finish()

    images = tracker.images("report", "high-loss-examples")
    assert [image.caption for image in images] == [grey.caption, colour.caption]
    np.testing.assert_array_equal(images[0].pixels, grey.pixels)
    np.testing.assert_array_equal(images[1].pixels, colour.pixels)
    assert tracker.history("report") == [{"step": 3, "loss": 0.1}]
    with pytest.raises(TrackingError, match="no-such-key"):
        tracker.images("report", "no-such-key")


def test_an_image_of_floats_is_refused(start):
    with pytest.raises(TrackingError, match="uint8"):
        start("report").log_images("x", [Image(np.zeros((28, 28)), "a")], step=1)


def test_a_table_comes_back_as_it_was(tracker, start):
    rows = [["0", 980, 0.5, None], ["1", 1135, -1.0, True]]
    run = start("report")
    run.log_table("confusion", ["digit", "count", "rate", "seen"], rows, step=1)
    run.finish()
    assert tracker.table("report", "confusion") == (["digit", "count", "rate", "seen"], rows)
    with pytest.raises(TrackingError, match="no-such-key"):
        tracker.table("report", "no-such-key")


def test_a_run_continued_keeps_its_history_and_its_place(tracker, start):
    start("first").finish()
    run = start("t1", config={"lr": 1})
    start("last").finish()
    run.log({"loss": 3.0}, step=1)
    run.log({"loss": 2.0}, step=2)
    run.summarize({"epochs": 2})
    run.finish("failed", "worker died")

    again = start("t1", config={"lr": 1})
    record = tracker.run("t1")
    assert (record.state, record.error) == ("running", None)
    assert record.summary["epochs"] == 2
    again.log({"loss": 2.0}, step=2)  # the step that the checkpoint had not kept
    again.log({"loss": 1.0}, step=3)
    again.finish()
    assert [(row["step"], row["loss"]) for row in tracker.history("t1")] == [(1, 3), (2, 2), (3, 1)]
    assert [record.id for record in tracker.runs()] == ["first", "t1", "last"]


def test_runs_are_found_by_group(tracker, start):
    for run_id, group in (("a", "one"), ("b", "two"), ("c", "one")):
        start(run_id, group=group).finish()
    assert [record.id for record in tracker.runs("one")] == ["a", "c"]
    assert [record.id for record in tracker.runs()] == ["a", "b", "c"]
    assert tracker.runs("three") == []


def test_an_unknown_run_is_an_error_that_names_it(tracker, start):
    start("t1").finish()
    for read in (tracker.run, tracker.history):
        with pytest.raises(TrackingError, match="no-such-run"):
            read("no-such-run")


def test_close_stale_marks_only_the_groups_running_runs(tracker, start):
    start("done", group="one").finish()
    start("lost", group="one")
    start("other", group="two")
    assert tracker.close_stale("one") == ["lost"]
    record = tracker.run("lost")
    assert (record.state, record.error) == ("crashed", STALE_ERRORS["crashed"])
    assert tracker.run("done").state == "finished"
    assert tracker.run("other").state == "running"
    assert tracker.close_stale("one") == []
    start("lost", group="one").finish()
    assert (tracker.run("lost").state, tracker.run("lost").error) == ("finished", None)


def test_an_interrupted_sweeps_runs_say_so(tracker, start):
    start("cut")
    assert tracker.close_stale("sweep", "interrupted") == ["cut"]
    record = tracker.run("cut")
    assert (record.state, record.error) == ("interrupted", STALE_ERRORS["interrupted"])


def test_a_run_that_continues_from_a_checkpoint_has_no_row_twice(tracker, start):
    run = start("t1")
    for step in (1, 2, 3):
        run.log({"loss": 1 / step}, step=step)
    run.finish("failed", "worker died")
    again = start("t1", after=1)
    for step in (2, 3, 4):
        again.log({"loss": 1 / step}, step=step)
    again.finish()
    rows = [(row["step"], row["loss"]) for row in tracker.history("t1")]
    assert rows == [(step, 1 / step) for step in (1, 2, 3, 4)]


def test_a_run_id_that_no_folder_could_have_is_refused(start):
    with pytest.raises(TrackingError, match="run id"):
        start("../escape")


def test_runs_side_by_side_do_not_mix(tracker, start):
    one, two = start("one"), start("two")
    for step in range(3):
        one.log({"loss": 1.0}, step=step)
        two.log({"loss": 2.0}, step=step)
    two.finish()
    one.log({"loss": 1.0}, step=3)
    one.finish()
    assert [row["loss"] for row in tracker.history("one")] == [1.0] * 4
    assert [row["loss"] for row in tracker.history("two")] == [2.0] * 3


def test_a_pickled_tracker_is_the_same_project(tracker, start, request):
    if "trackio-process" in request.node.name:
        pytest.skip("a pipe's end belongs to its process")
    start("t1").finish()
    assert pickle.loads(pickle.dumps(tracker)).run("t1").state == "finished"
