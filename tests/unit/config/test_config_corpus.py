"""Sweep files as W&B's users write them: each loads and plans unchanged, with the meaning here.

`sweeps/` holds them. None was written for raysweep's own pipeline.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysweep import cli
from raysweep.config import load_sweep

SWEEPS = Path(__file__).parent / "sweeps"

Ends = tuple[Any, Any]


@dataclass(frozen=True)
class Meaning:
    """What a file must mean."""

    method: str
    sizes: dict[str, int | None]
    """Each parameter → its number of values, None where they cannot be listed."""
    combinations: int | None = None
    ends: dict[str, Ends] = field(default_factory=dict)
    """Parameter → its values at the two ends."""
    kinds: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    """A part of each notice that is printed."""


EVERY = {
    "constant": 1,
    "categorical": 5,
    "weighted": 2,
    "int_uniform": 1004,
    "uniform": None,
    "q_uniform": 21,
    "log_uniform": None,
    "log_uniform_values": None,
    "q_log_uniform": 54,
    "q_log_uniform_values": 50,
    "inv_log_uniform": None,
    "inv_log_uniform_values": None,
    "normal": None,
    "q_normal": None,
    "log_normal": None,
    "q_log_normal": None,
    "beta": None,
    "q_beta": 11,
}
EVERY_END: dict[str, Ends] = {
    "categorical": ("relu", 0.5),
    "int_uniform": (-3, 1000),
    "q_uniform": (0.0, 1.0),
    "log_uniform": (math.exp(-5), 1.0),
    "q_log_uniform": (1, 54),
    "q_log_uniform_values": (2, 100),
    "inv_log_uniform": (math.exp(-5), 1.0),
    "beta": (0.0, 1.0),
    "q_beta": (0.0, 1.0),
}

MEANINGS = {
    "grid": Meaning(
        "grid",
        {"learning_rate": 3, "optimizer": 2, "epochs": 1},
        6,
    ),
    "random_with_command": Meaning(
        "random",
        {"lr": None, "batch-size": 3},
        ends={"lr": (0.0001, 0.1)},
    ),
    "bayes_hyperband": Meaning(
        "bayes",
        {"dropout": None, "layers": 6},
        kinds={"dropout": "uniform", "layers": "int_uniform"},
    ),
    "hyperband_brackets": Meaning("random", {"hidden": 481}, 481, ends={"hidden": (32, 512)}),
    "nested": Meaning(
        "random",
        {
            "seed": 1,
            "optimizer.name": 2,
            "optimizer.lr": None,
            "optimizer.betas.b1": 2,
            "optimizer.betas.b2": 1,
            "model.width": 16,
        },
        ends={"optimizer.lr": (1e-5, 1e-2), "model.width": (64, 1024)},
    ),
    "dotted": Meaning(
        "grid",
        {"model.hidden_size": 2, "trainer.optimizer.lr": 2, "+experiment": 1},
        4,
        ends={"trainer.optimizer.lr": (1e-3, 3e-4)},
    ),
    "mixed_names": Meaning(
        "grid", {"trainer.max_epochs": 1, "trainer.precision": 2, "data.loader.workers": 3}, 6
    ),
    "exponents": Meaning(
        "bayes",
        {"learning_rate": None, "batch_size": 32, "momentum": None},
        ends={
            "learning_rate": (1e-4, 0.1),
            "batch_size": (8, 256),
            "momentum": (math.exp(-4), 1.0),
        },
    ),
    "every_distribution": Meaning("random", EVERY, ends=EVERY_END),
    "every_distribution_bayes": Meaning("bayes", EVERY, ends=EVERY_END),
    "project_and_entity": Meaning("random", {"width": 3}, 3),
    "launch_job": Meaning(
        "bayes",
        {"learning_rate": None},
        ends={"learning_rate": (0.001, 0.1)},
        notices=("job: not used, nor scheduler: ",),
    ),
    "launch_image": Meaning(
        "grid",
        {"depth": 3},
        3,
        notices=("apiVersion: not used, nor kind, nor image_uri, nor controller: ",),
    ),
    "metric_without_goal": Meaning(
        "random", {"n_estimators": 901, "subsample": 6}, 5406, ends={"subsample": (0.5, 1.0)}
    ),
    "quoted_numbers": Meaning(
        "grid",
        {"weight_decay": 3, "size": 2},
        6,
        ends={"weight_decay": (0, 0.01), "size": ("224", "384")},
        notices=('weight_decay.values: "0", "1e-2" beside numbers: ',),
    ),
    "words_as_booleans": Meaning(
        "grid",
        {"augment": 2, "amp": 2, "norm": 3},
        12,
        ends={"augment": (True, False), "norm": ("no", "layer")},
        notices=("augment.values: in YAML on is true, off is false; ",),
    ),
    "inferred": Meaning(
        "random",
        {"layers": 4, "rate": None, "steps": 11, "shape": 2, "kernel": 2, "tuned": 1},
        ends={"steps": (0, 100), "shape": ([3, 3], [5, 5]), "kernel": ({"size": 3}, {"size": 5})},
        kinds={
            "layers": "int_uniform",
            "rate": "uniform",
            "steps": "q_uniform",
            "shape": "categorical",
            "tuned": "constant",
        },
    ),
    "anchors": Meaning("grid", {"encoder.dropout": 2, "decoder.dropout": 2, "head.dropout": 2}, 8),
    "large_grid": Meaning(
        "grid", {"a": 100, "b": 100, "c": 101}, 1_010_000, ends={"c": (0.0, 1.0)}
    ),
}


def test_every_file_is_looked_at() -> None:
    assert {path.stem for path in SWEEPS.iterdir()} == set(MEANINGS)


@pytest.mark.parametrize("name", MEANINGS)
def test_a_sweep_file_plans_unchanged_and_means_what_it_says(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path, meaning = SWEEPS / f"{name}.yaml", MEANINGS[name]
    assert cli.main(["plan", "--sweep", str(path), "--space-only", "--json"]) == 0
    plan = json.loads(capfd.readouterr().out)
    assert plan["method"] == meaning.method
    assert {each["name"]: each["size"] for each in plan["space"]} == meaning.sizes
    assert [each["name"] for each in plan["space"]] == list(meaning.sizes), "the file's order"
    assert plan["combinations"] == meaning.combinations
    kinds = {each["name"]: each["kind"] for each in plan["space"]}
    assert kinds.items() >= meaning.kinds.items()
    told = [line.removeprefix(f"{path}: ") for line in plan["notices"]]
    assert len(told) == len(meaning.notices)
    for line, piece in zip(told, meaning.notices, strict=True):
        assert piece in line
    check_first(plan, meaning)
    check_ends(path, meaning)


def check_first(plan: dict[str, Any], meaning: Meaning) -> None:
    """Assert that the first configurations are complete, and that no two are equal."""
    if meaning.method == "bayes":
        assert plan["first"] == []
        return
    assert len(plan["first"]) == min(5, meaning.combinations or 5)
    assert all(list(each) == list(meaning.sizes) for each in plan["first"])
    assert all(each not in plan["first"][:i] for i, each in enumerate(plan["first"]))


def check_ends(path: Path, meaning: Meaning) -> None:
    space = load_sweep(path)[0].space()
    for name, (low, high) in meaning.ends.items():
        found = space[name].quantile(0.0), space[name].quantile(1.0)
        if isinstance(low, float) or isinstance(high, float):
            found_numbers = [x for x in found if not isinstance(x, str)]
            numbers = [x for x in (low, high) if not isinstance(x, str)]
            assert found_numbers == pytest.approx(numbers)
        else:
            assert found == (low, high)


def test_what_stands_beside_the_parameters_is_read() -> None:
    def read(name: str) -> Any:
        return load_sweep(SWEEPS / f"{name}.yaml")[0]

    named = read("project_and_entity")
    assert (named.entity, named.project, named.name) == ("my-team", "resnet-tuning", "first look")
    assert named.description.startswith("Which width and which rate are")
    assert (named.metric.name, named.metric.goal, named.run_cap) == ("val/top1", "maximize", 50)
    assert read("metric_without_goal").metric.goal == "minimize"
    assert read("bayes_hyperband").early_terminate.min_iter == 3
    sweep = read("hyperband_brackets")
    rule = sweep.early_terminate
    assert (rule.max_iter, rule.s, rule.eta, rule.strict) == (27, 2, 3, True)
    assert (rule.brackets(27), sweep.metric.target) == ((3, 9), 0.05)
