"""What `plan` finds out, without doing any of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config, enumerate_trials
from raysweep.errors import UserError
from raysweep.sweep.plan import Plan, make_plan
from raysweep.tracking.identity import SweepIdentity

from workshop import digits_config, open_store, run_stages


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def plan_of(storage: Path) -> Callable[..., Plan]:
    """plan_of(data={"train_size": 600}): the plan of the small config with these keys changed."""

    def plan(**sections: dict[str, Any]) -> Plan:
        return make_plan(stored_in(storage, digits_config(**sections)))

    return plan


def stored_in(storage: Path, config: Config) -> Config:
    return config.model_copy(update={"storage": str(storage)})


def refs(plan: Plan) -> list[tuple[str, str, str | None]]:
    return [(stage.name, stage.artifact, stage.ref) for stage in plan.stages]


def test_before_the_first_run_nothing_is_cached_and_nothing_made(
    plan_of: Callable[..., Plan], storage: Path
) -> None:
    assert refs(plan_of()) == [
        ("load", "digits-raw", None),
        ("preprocess", "digits-preprocess", None),
        ("initialize", "convnet", None),
    ]
    assert not storage.exists()


def test_after_a_run_the_plan_names_what_would_be_reused(
    plan_of: Callable[..., Plan], storage: Path, sweep: SweepIdentity
) -> None:
    run_stages(open_store(storage / "tracker"), sweep, digits_config())
    assert refs(plan_of()) == [
        ("load", "digits-raw", "digits-raw:v0"),
        ("preprocess", "digits-preprocess", "digits-preprocess:v0"),
        ("initialize", "convnet", "convnet:v0"),
    ]
    other_data = plan_of(data={"train_size": 600})
    assert [ref for *_, ref in refs(other_data)] == [None, None, "convnet:v0"]
    other_steps = plan_of(preprocess={"normalize": False})
    assert [ref for *_, ref in refs(other_steps)] == ["digits-raw:v0", None, "convnet:v0"]
    other_project = plan_of(tracking={"project": "another"})
    assert [ref for *_, ref in refs(other_project)] == [None, None, None]


def test_what_the_plan_promises_is_what_the_stages_do(
    plan_of: Callable[..., Plan], storage: Path, sweep: SweepIdentity, mini_mnist: Path
) -> None:
    data = {"dataset": "MNIST", "root": str(mini_mnist), "train_size": 50}
    tracker = open_store(storage / "tracker")
    for identity in (sweep, SweepIdentity("another", "another")):
        planned = [ref for *_, ref in refs(plan_of(data=data))]
        outcomes = run_stages(tracker, identity, digits_config(data=data))
        assert planned == [o.artifact.ref if o.cached else None for o in outcomes]
    assert planned == ["mnist-raw:v0", "mnist-preprocess:v0", "convnet:v0"]


def test_each_architecture_of_the_sweep_is_a_stage(
    plan_of: Callable[..., Plan], storage: Path, sweep: SweepIdentity
) -> None:
    run_stages(open_store(storage / "tracker"), sweep, digits_config())
    sizes = {"model.hidden_layer_sizes": {"values": [[2], [4, 8]]}}
    plan = plan_of(sweep={"method": "grid", "parameters": sizes})
    assert refs(plan)[2:] == [
        ("initialize", "convnet", None),
        ("initialize", "convnet", "convnet:v0"),
    ]


def test_the_plan_says_what_would_be_searched(plan_of: Callable[..., Plan], storage: Path) -> None:
    sweep = {
        "method": "random",
        "metric": {"name": "validation/loss"},
        "run_cap": 6,
        "parameters": {
            "learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
            "model.dropout": {"values": [0.3, 0.5]},
        },
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
    }
    plan = plan_of(sweep=sweep)
    assert [(p.name, p.distribution, p.target) for p in plan.space] == [
        ("learning_rate", "0.001 … 0.1, log-uniform", "train.learning_rate"),
        ("model.dropout", "0.3 | 0.5", "model.dropout"),
    ]
    assert [(p.kind, p.range, p.size) for p in plan.space] == [
        ("log_uniform_values", "0.001 … 0.1", None),
        ("categorical", "0.3 | 0.5", 2),
    ]
    assert (plan.method, plan.trials, plan.epochs) == ("random", 6, 3)
    assert (plan.metric, plan.goal) == ("validation/loss", "minimize")
    assert "hyperband (at epoch 1, 2, 1 in 2 continues)" in plan.early_terminate
    assert plan.tracker == "trackio"
    assert plan.storage == str(storage)
    assert plan.warning is None


def test_the_plan_says_what_steers_the_search(plan_of: Callable[..., Plan]) -> None:
    sweep = {
        "method": "bayes",
        "metric": {"name": "validation/accuracy", "target": 99.5},
        "run_cap": 6,
        "parameters": {"learning_rate": {"min": 0.001, "max": 0.1}},
        "sampler": "gp",
        "repeats": 3,
        "max_trials": 17,
        "max_time": "1h",
        "max_epochs_total": 40,
    }
    plan = plan_of(sweep=sweep)
    assert plan.trials == 17, "of 6 times 3"
    assert plan.search == (
        "sampler gp",
        "3 trials a configuration, ranked by their mean",
        "ends once validation/accuracy reaches 99.5",
        "ends after 3600 s",
        "ends after 40 epochs in all",
    )


@pytest.mark.parametrize("method", ["random", "grid", "bayes"])
def test_the_plan_lists_the_very_trials_that_run_first(storage: Path, method: str) -> None:
    parameters = {"epochs": {"values": [1, 2, 3]}, "model.dropout": {"values": [0.1, 0.2]}}
    sweep = {"method": method, "run_cap": 4, "parameters": parameters}
    config = stored_in(storage, digits_config(sweep=sweep))
    plan = make_plan(config, show=3)
    assert list(plan.first) == ([] if method == "bayes" else enumerate_trials(config)[:3])
    assert plan.combinations == 6
    assert make_plan(config, show=0).first == ()


@pytest.mark.parametrize(
    ("fallback", "outcome"), [("digits", "use digits instead"), (None, "stop")]
)
def test_absent_data_is_said_and_not_fetched(
    plan_of: Callable[..., Plan], tmp_path: Path, fallback: str | None, outcome: str
) -> None:
    root = tmp_path / "nothing"
    plan = plan_of(data={"dataset": "MNIST", "root": str(root), "fallback": fallback})
    expected = f"MNIST is not in {root}: run would download it, and if that fails, {outcome}"
    assert plan.warning == expected
    assert refs(plan)[:2] == [("load", "mnist-raw", None), ("preprocess", "mnist-preprocess", None)]
    assert not root.exists()


def test_a_plan_refuses_what_a_run_would(plan_of: Callable[..., Plan], storage: Path) -> None:
    for section, change, words in [
        ("model", {"kernel_sizes": [27]}, "leave no pixels"),
        ("model", {"num_classes": 9}, "too few"),
        ("tracking", {"project": "a b"}, "not a valid project name"),
        ("data", {"dataset": "CIFAR10"}, "unknown data set"),
    ]:
        with pytest.raises(UserError, match=words):
            plan_of(**{section: change})
    assert not storage.exists()


PLAN = """
import sys
from pathlib import Path
from raysweep.config import Config, enumerate_trials
from raysweep.sweep.plan import make_plan
config = {"data": {"dataset": "digits"}, "storage": sys.argv[1], "tracking": {"backend": "trackio"}}
make_plan(Config.from_dict(config))
print([name for name in ("ray", "torch", "torchvision", "wandb") if name in sys.modules])
"""


def test_a_plan_needs_neither_ray_nor_torch(storage: Path, sweep: SweepIdentity) -> None:
    run_stages(open_store(storage / "tracker"), sweep, digits_config())
    answer = subprocess.run(
        [sys.executable, "-c", PLAN, storage],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "[]"


def test_each_setting_of_the_data_is_a_stage(
    plan_of: Callable[..., Plan], storage: Path, sweep: SweepIdentity
) -> None:
    run_stages(open_store(storage / "tracker"), sweep, digits_config())
    parameters = {
        "data.train_size": {"values": [600, 1200]},
        "preprocess.normalize": {"values": [True, False]},
    }
    plan = plan_of(sweep={"method": "grid", "parameters": parameters})
    assert refs(plan) == [
        ("load", "digits-raw", None),
        ("load", "digits-raw", "digits-raw:v0"),
        *[("preprocess", "digits-preprocess", None)] * 2,
        ("preprocess", "digits-preprocess", "digits-preprocess:v0"),
        ("preprocess", "digits-preprocess", None),
        ("initialize", "convnet", "convnet:v0"),
    ]
    sizes = {"data.train_size": {"min": 100, "max": 1200}}
    searched = plan_of(sweep={"method": "bayes", "run_cap": 2, "parameters": sizes})
    assert refs(searched)[:2] == [
        ("load", "digits-raw, one for each setting", None),
        ("preprocess", "digits-preprocess, one for each setting", None),
    ]


@pytest.mark.parametrize("method", ["grid", "bayes"])
@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        ("data.train_size", [50, 60], "at most 59 leave one to validate"),
        ("data.dataset", ["digits", "MINST"], "unknown data set 'MINST'"),
    ],
)
def test_each_swept_setting_of_the_data_is_checked_before_anything_runs(
    plan_of: Callable[..., Plan],
    mini_mnist: Path,
    method: str,
    field: str,
    values: list[Any],
    says: str,
) -> None:
    data = {"dataset": "MNIST", "root": str(mini_mnist), "train_size": 50}
    sweep = {"method": method, "run_cap": 2, "parameters": {field: {"values": values}}}
    with pytest.raises(UserError, match=says):
        plan_of(data=data, sweep=sweep)
