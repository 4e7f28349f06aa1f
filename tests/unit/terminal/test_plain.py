"""The lines of a sweep without a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from raysweep.events import Display, Evaluating, WarmStarted
from raysweep.terminal.plain import PlainLines

from terminal_sweep import SWEEP, started, trial

EXPECTED = """\
sweep digits-20261123-0915-3fa2: 3 trials of up to 2 epochs, 2 at once with 1 CPU each; tracker: \
trackio (no W&B key is configured)
WARNING: MNIST is not in data: the embedded digits stand in.
load        digits-raw:v0            made
preprocess  digits-preprocess:v0     reused
initialize  convnet:v0               reused
trial-0000  running   epoch 0/2  learning_rate=0.001 epochs=2
trial-0001  running   epoch 0/2  learning_rate=0.002 epochs=2
trial-0000  running   epoch 1/2  validation/accuracy 80.00 %
trial-0001  running   epoch 1/2  validation/accuracy NaN
trial-0000  running   epoch 2/2  validation/accuracy 75.00 %
trial-0000  completed epoch 2/2  validation/accuracy 80.00 %  (2 trials left, about 0 s)
trial-0001  failed    epoch 1/2  OSError: [/x] is a [red]x
trial-0002  running   epoch 0/2  learning_rate=0.003 epochs=2
trial-0002  running   epoch 1/2  validation/accuracy 90.50 %
trial-0002  stopped   epoch 1/2  validation/accuracy 90.50 %
evaluating  trained-model:v1 of trial-0002 on the test split
"""


def test_a_sweep_as_lines() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as lines:
        for event in SWEEP:
            lines(event)
    assert re.sub(r"about \d+ s", "about 0 s", stream.getvalue()) == EXPECTED


def test_each_line_is_written_at_once() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as lines:
        for event in SWEEP:
            before = stream.getvalue()
            lines(event)
            assert len(stream.getvalue()) > len(before)


def test_a_warm_start_and_repeats_are_shown() -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines(started(trials=6, repeats=3))
    lines(WarmStarted(("earlier",), 4, {}))
    assert "6 trials (3 per configuration) of up to 2 epochs" in stream.getvalue()
    assert stream.getvalue().endswith("warm start  4 trials of earlier taken\n")


def test_trials_left_are_not_shown_if_a_budget_may_end_the_sweep() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as lines:
        for event in [started(trials=40, may_end_early=True), *SWEEP[1:]]:
            lines(event)
    assert "3fa2: at most 40 trials of up to 2 epochs" in stream.getvalue()
    assert "left" not in stream.getvalue()


def test_a_clone_is_shown() -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines(started())
    clone = {"parent": "trial-0003", "checkpoint": "c:v1", "values": {"learning_rate": 0.012}}
    lines(replace(trial(0, "running", 1, 80.0), cloned=clone))
    assert stream.getvalue().endswith(
        "validation/accuracy 80.00 %  continues from trial-0003 with learning_rate=0.012\n"
    )


def test_notices_of_the_config_come_before_those_of_the_data() -> None:
    stream = io.StringIO()
    PlainLines(stream)(started(notices=("s.yaml: one", "s.yaml: two"), warning="no data"))
    assert stream.getvalue().splitlines()[1:] == [
        "WARNING: s.yaml: one",
        "WARNING: s.yaml: two",
        "WARNING: no data",
    ]


def test_a_share_of_a_gpu_is_shown() -> None:
    stream = io.StringIO()
    PlainLines(stream)(started(trials=1, gpus=0.25, cpus=0.5, epochs=1))
    assert "1 trial of up to 1 epoch, " in stream.getvalue()
    assert "with 0.5 CPU and 0.25 GPU each" in stream.getvalue()


def test_what_all_trials_have_is_said_once() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as lines:
        lines(started(display=Display(fixed={"epochs": 2, "net": "wide"}), warning="no data"))
        lines(trial(0, "running", 0))
    assert stream.getvalue().splitlines()[1:] == [
        "all trials: epochs=2 net=wide",
        "WARNING: no data",
        "trial-0000  running   report 0/2  learning_rate=0.001",
    ]


def test_reports_of_a_trial_of_unknown_length_are_counted() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as lines:
        lines(started(epochs=None, display=Display()))
        lines(replace(trial(0, "running", 3, 80.0), epochs=None))
        lines(replace(trial(0, "completed", 3, 80.0), epochs=None))
        lines(Evaluating("trial-0000", None))
    assert "3 trials, 2 at once" in stream.getvalue()
    assert stream.getvalue().splitlines()[-3:] == [
        "trial-0000  running   report 3  validation/accuracy 80",
        "trial-0000  completed report 3  validation/accuracy 80  (2 trials left)",
        "evaluating  trial-0000",
    ]
