"""A W&B sweep file of a program as a config: what it means, and what is refused, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import load_config
from raysweep.errors import ConfigError, UserError
from raysweep.trials.program.process import command
from raysweep.trials.workloads import workload_of

SWEEP = """
program: train.py
method: random
metric: {name: loss}
parameters:
  lr: {min: 0.1, max: 0.9}
  model: {parameters: {width: {values: [8, 16]}}}
  flag: {values: [true, null, 1, 1.0, a]}
"""


NO_METRIC = SWEEP.replace("metric: {name: loss}", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The sweep file beside its program."""
    (tmp_path / "train.py").write_text("print()")
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    return path


def checked(path: Path, *overrides: str, **given: Any) -> None:
    config = load_config(path, overrides, **given)
    workload = workload_of(config)
    workload.check(config)
    workload.check_here(config)


def test_a_file_is_a_whole_config(file):
    config = load_config(file, count=3)
    assert (config.kind, config.sweep.run_cap) == ("program", 3)
    assert config.sweep.nested == (("model", "width"),)
    assert config.sweep.parameters["flag"].values == (True, None, 1, 1.0, "a")
    assert config.program.directory == str(file.parent)  # where its program is
    assert type(config).from_dict(config.to_dict()) == config
    assert "train" not in config.to_dict()
    checked(file, count=3)


@pytest.mark.parametrize("macro", command.MACROS)
def test_each_macro_passes_the_check_which_writes_nothing(file, macro: str):
    words = ["${interpreter}", "${program}", f"${{{macro}}}"]
    file.write_text(SWEEP + f"command: {json.dumps(words)}\n")
    before = sorted(file.parent.iterdir())
    checked(file, count=3)
    assert sorted(file.parent.iterdir()) == before


def test_its_values_are_as_the_file_writes_them(file):
    values = "[1, '1', 1.0, '1e-3', 1e-3, true, 'true', '0x1', None]"
    file.write_text(SWEEP + f"  text: {{values: {values}}}\n  low: {{min: 1e-4, max: 1e-2}}\n")
    config = load_config(file, count=3)
    found = config.sweep.parameters["text"].values
    given = [1, "1", 1.0, "1e-3", 0.001, True, "true", "0x1", "None"]
    assert [(type(each), each) for each in found] == [(type(each), each) for each in given]
    assert config.notices == ()
    low = config.sweep.parameters["low"]
    assert (low.kind, low.min, low.max) == ("uniform", 1e-4, 1e-2)
    stored = type(config).from_dict(config.to_dict()).sweep.parameters["text"].values
    assert list(map(repr, stored)) == list(map(repr, given))


def test_a_program_needs_no_metric(file):
    file.write_text(NO_METRIC)
    config = load_config(file, count=3)
    checked(file, count=3)
    assert not config.sweep.has_metric
    assert config.to_dict()["sweep"]["metric"] is None
    assert type(config).from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r"program.after: scores the best trial, and without"):
        load_config(file, ["program.after=train.py"], count=3)


def test_a_key_that_means_nothing_is_not_used_and_a_misspelt_one_is_refused(file):
    file.write_text(SWEEP + "RUN: 10\nauthor: {name: me}\n")
    config = load_config(file, count=3)
    assert config.notices == (
        f"{file}: sweep.RUN: unknown key: not used",
        f"{file}: sweep.author: unknown key: not used",
    )
    assert type(config).from_dict(config.to_dict()) == config
    file.write_text(SWEEP + "early_terminat: {type: hyperband, min_iter: 1}\n")
    with pytest.raises(ConfigError, match=r"unknown key; did you mean early_terminate\?"):
        load_config(file, count=3)
    file.write_text("method: random\nRUN: 10\nparameters: {learning_rate: {values: [0.1]}}\n")
    with pytest.raises(ConfigError, match=r"sweep\.RUN: unknown key"):
        load_config(file, count=3)  # of the built-in training


def test_a_module_is_a_program_too(file):
    module = SWEEP.replace("train.py", "pkg.train")
    command = '["${env}", python, -m, "${program}", "${args}"]'
    file.write_text(f"{module}command: {command}\n")
    checked(file, count=1)
    file.write_text(f"{module}command: {command.replace('-m, ', '')}\n")
    with pytest.raises(UserError, match=r"pkg\.train: no such file"):
        checked(file, count=1)


def test_the_smaller_of_count_and_run_cap_holds(file):
    file.write_text(SWEEP + "run_cap: 2\n")
    assert load_config(file, count=5).sweep.run_cap == 2
    assert load_config(file, count=1).sweep.run_cap == 1


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_without_a_cap_one_is_asked_for(file, method):
    file.write_text(SWEEP.replace("random", method))
    with pytest.raises(ConfigError, match=r"run_cap: missing.*--count N") as caught:
        load_config(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NO_METRIC.replace("random", "bayes"), "sweep.metric: missing; method bayes learns from"),
        (NO_METRIC + "repeats: 2\n", "sweep.metric: missing; repeats gives the mean of a metric"),
        (
            NO_METRIC + "early_terminate: {type: hyperband, min_iter: 2}\n",
            "sweep.metric: missing; early_terminate compares trials by a metric",
        ),
        (NO_METRIC + "metric: {target: 0.1}\n", "sweep.metric.name: missing"),
        (SWEEP + "command: ['${args_yaml}']", "{args_yaml} is no macro; there are"),
        (SWEEP.replace("train.py", "not.py"), "sweep.program: .*not.py: no such file"),
        (SWEEP + "command: [./go.sh, '${args}']", "sweep.command: .*go.sh: not executable"),
        (SWEEP + "command: [nothing-like-it]", "sweep.command: nothing-like-it: no such program"),
        (SWEEP.replace("program: train.py", "command: ['${program}']"), "sweep.program names none"),
    ],
)
def test_what_cannot_run_is_refused(file, text, message):
    file.write_text(text)
    (file.parent / "go.sh").write_text("#!/bin/sh\n")
    with pytest.raises(UserError, match=message) as caught:
        checked(file, count=2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["data", "model", "train", "evaluate", "preprocess"])
def test_sections_of_the_built_in_training_are_refused(file, section):
    config = file.with_name("config.yaml")
    config.write_text(f"sweep: sweep.yaml\n{section}: {{}}\n")
    with pytest.raises(ConfigError, match=f"{section}: is of the built-in training"):
        load_config(config, count=2)


def test_a_program_section_needs_a_program(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("program: {timeout: 3}\n")
    with pytest.raises(ConfigError, match="program: says how to run a program, and"):
        load_config(config)


def test_best_that_moves_only_if_it_is_better_is_refused(file):
    with pytest.raises(UserError, match=r"^tracking.promote: if_better needs to know"):
        checked(file, "tracking.promote=if_better", count=2)


def test_dropping_models_that_nobody_knows_is_refused(file):
    with pytest.raises(UserError, match=r"^tracking.keep: best knows only the models"):
        checked(file, "tracking.keep=best", count=2)


def test_population_based_training_is_refused(file):
    from raysweep.trials.program.workload import Program

    assert Program().cannot_clone is not None
    assert Program().cannot_pause is not None
