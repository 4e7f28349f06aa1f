from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from raysweep.errors import ConfigError
from raysweep.ml.optimizers import make_optimizer, make_schedule, optimizer_names

SETTINGS = {"learning_rate": 0.1, "weight_decay": 0.02, "momentum": 0.7}


def make(name: str, **changes: float) -> torch.optim.Optimizer:
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    return make_optimizer(name, [parameter], **(SETTINGS | changes))


def test_settings_go_where_the_signature_has_them() -> None:
    sgd, adam, rprop = make("SGD").defaults, make("AdamW").defaults, make("Rprop").defaults
    assert (sgd["lr"], sgd["weight_decay"], sgd["momentum"]) == (0.1, 0.02, 0.7)
    assert adam["weight_decay"] == 0.02 and adam["betas"] == (0.9, 0.999)
    assert rprop["lr"] == 0.1 and "momentum" not in rprop and "weight_decay" not in rprop
    assert make("RMSprop").defaults["momentum"] == 0.7


def test_the_common_ones_are_known() -> None:
    common = {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam"}
    assert common <= set(optimizer_names())


@pytest.mark.parametrize("name", ["Adm", "adam", "Optimizer", "LBFGS", "SparseAdam", "Muon", "sgd"])
def test_others_are_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigError, match=r"train\.optimizer: .*one of .*AdamW.*SGD") as error:
        make(name)
    assert "\n" not in str(error.value)


def rates(schedule: str, optimizer: str = "SGD", steps: int = 20) -> list[dict[str, Any]]:
    """The parameter group as each step finds it."""
    stepped = make(optimizer)
    scheduler = make_schedule(schedule, stepped, 0.1, steps)
    seen = []
    for _ in range(steps):
        seen.append(dict(stepped.param_groups[0]))
        stepped.step()
        if scheduler:
            scheduler.step()
    return seen


def test_no_schedule_keeps_the_rate() -> None:
    assert {group["lr"] for group in rates("none")} == {0.1}


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    expected = [0.05 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    assert [group["lr"] for group in rates("cosine")] == pytest.approx(expected)


def test_one_cycle_peaks_at_the_rate_after_30_percent() -> None:
    seen = [group["lr"] for group in rates("one-cycle")]
    assert seen.index(max(seen)) == 5 and max(seen) == pytest.approx(0.1)
    assert seen[0] == pytest.approx(0.1 / 25) and seen[-1] < 1e-5
    assert seen[:6] == sorted(seen[:6]) and seen[5:] == sorted(seen[5:], reverse=True)


def test_one_cycle_leaves_the_momentum_that_was_asked_for() -> None:
    assert {group["momentum"] for group in rates("one-cycle")} == {0.7}
    betas = [group["betas"][0] for group in rates("one-cycle", "AdamW")]
    assert max(betas) == pytest.approx(0.95) and min(betas) == pytest.approx(0.85)


@pytest.mark.parametrize("name", optimizer_names())
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_every_optimizer_takes_every_schedule(name: str, schedule: str) -> None:
    assert len({group["lr"] for group in rates(schedule, name, steps=4)}) > 1


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_schedules_of_a_few_steps(steps: int) -> None:
    for schedule in ("one-cycle", "cosine"):
        assert all(0 < group["lr"] <= 0.1 for group in rates(schedule, steps=steps))


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="'onecycle'; one of none, one-cycle, cosine"):
        make_schedule("onecycle", make("SGD"), 0.1, 10)
