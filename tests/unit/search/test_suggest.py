"""Each of W&B's distributions against its definition: as random draws it, and as Optuna is told it.

Continuous kinds by Kolmogorov–Smirnov against scipy's distribution, the others by chi-square
against the probabilities that the definition gives. Seeds are fixed; a true null is rejected at
p < 0.001 once in a thousand seeds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import optuna
import pytest
from scipy import stats

from raysweep.config import Distribution, Parameter
from raysweep.config.trials import Grid
from raysweep.search.suggest import answer, ask
from raysweep.search.suggestions import Listed

DRAWS = 2000
LEAST_P = 1e-3

Cdf = Callable[[Any], Any]
"""Of an array."""


def uniform(low: float, high: float) -> Cdf:
    return stats.uniform(low, high - low).cdf  # type: ignore[no-any-return]


def loguniform(low: float, high: float) -> Cdf:
    return stats.loguniform(low, high).cdf  # type: ignore[no-any-return]


def lognormal(mu: float, sigma: float) -> Cdf:
    return stats.lognorm(sigma, scale=math.exp(mu)).cdf  # type: ignore[no-any-return]


def inverse(of: Cdf) -> Cdf:
    """The distribution of X where that of 1/X is given."""
    return lambda x: 1 - of(1 / np.asarray(x))


CONTINUOUS: list[tuple[dict[str, Any], Cdf]] = [
    ({"distribution": "uniform", "min": -2, "max": 6}, uniform(-2, 6)),
    ({"distribution": "log_uniform", "min": -3, "max": 2}, loguniform(math.exp(-3), math.exp(2))),
    ({"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}, loguniform(1e-5, 0.1)),
    (
        {"distribution": "inv_log_uniform", "min": 1, "max": 4},
        inverse(loguniform(math.exp(1), math.exp(4))),
    ),
    (
        {"distribution": "inv_log_uniform_values", "min": 0.01, "max": 0.5},
        inverse(loguniform(1 / 0.5, 1 / 0.01)),
    ),
    ({"distribution": "normal"}, stats.norm(0, 1).cdf),
    ({"distribution": "normal", "mu": -3, "sigma": 0.5}, stats.norm(-3, 0.5).cdf),
    ({"distribution": "log_normal", "mu": 1, "sigma": 0.7}, lognormal(1, 0.7)),
    ({"distribution": "beta", "a": 2, "b": 5}, stats.beta(2, 5).cdf),
    ({"distribution": "beta"}, uniform(0, 1)),
]

ROUNDED: list[tuple[dict[str, Any], Cdf]] = [
    ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, uniform(0, 1)),
    ({"distribution": "q_uniform", "min": 1.4, "max": 6.2}, uniform(1.4, 6.2)),
    ({"distribution": "q_log_uniform", "min": 0, "max": 3}, loguniform(1, math.exp(3))),
    (
        {"distribution": "q_log_uniform_values", "min": 8, "max": 100, "q": 8},
        loguniform(8, 100),
    ),
    ({"distribution": "q_normal", "mu": 10, "sigma": 3, "q": 2}, stats.norm(10, 3).cdf),
    ({"distribution": "q_log_normal", "mu": 1, "sigma": 0.5, "q": 0.5}, lognormal(1, 0.5)),
    (
        {"distribution": "q_beta", "a": 2, "b": 2, "q": 0.2},
        stats.beta(2, 2).cdf,
    ),
]

LISTED: list[tuple[dict[str, Any], dict[Any, float]]] = [
    ({"value": "only"}, {"only": 1}),
    ({"values": ["a", "b", 3]}, {"a": 1 / 3, "b": 1 / 3, 3: 1 / 3}),
    (
        {"values": ["a", "b", "c"], "probabilities": [0.1, 0.9, 0.0]},
        {"a": 0.1, "b": 0.9},
    ),
    ({"min": -2, "max": 3}, dict.fromkeys(range(-2, 4), 1 / 6)),
]


def drawn(distribution: Distribution) -> list[Any]:
    rng = Random(3)
    return [distribution.sample(rng) for _ in range(DRAWS)]


def told(distribution: Distribution) -> list[Any]:
    """What Optuna would try, knowing nothing yet but what it was told."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    values = []
    for _ in range(DRAWS):
        trial = study.ask()
        values.append(ask(trial, "x", distribution))
    return values


def evenly(distribution: Distribution) -> list[Any]:
    """The quantiles at even distances, which have no noise."""
    return [distribution.quantile((i + 0.5) / DRAWS) for i in range(DRAWS)]


SOURCES = pytest.mark.parametrize("source", [drawn, told, evenly], ids=lambda each: each.__name__)


def name(keys: Any) -> str:
    """Of a parameter, W&B's name; of what is expected of it, nothing."""
    known = isinstance(keys, dict) and keys.keys() & {"distribution", "value", "values", "min"}
    return str(Parameter.model_validate(keys).kind) if known else ""


@SOURCES
@pytest.mark.parametrize(("keys", "cdf"), CONTINUOUS, ids=name)
def test_a_continuous_kind_is_what_its_definition_says(
    keys: dict[str, Any], cdf: Cdf, source: Callable[[Distribution], list[Any]]
) -> None:
    values = sorted(source(Parameter.model_validate(keys).build()))
    gap = np.abs((np.arange(DRAWS) + 0.5) / DRAWS - cdf(np.array(values))).max()
    assert stats.kstwo.sf(gap, DRAWS) > LEAST_P
    assert len(set(values)) == DRAWS


@SOURCES
@pytest.mark.parametrize(("keys", "cdf"), ROUNDED, ids=name)
def test_a_rounded_kind_is_the_nearest_multiple_within_the_bounds(
    keys: dict[str, Any], cdf: Cdf, source: Callable[[Distribution], list[Any]]
) -> None:
    distribution = Parameter.model_validate(keys).build()
    values, q = source(distribution), Decimal(repr(keys.get("q", 1)))
    assert all(Decimal(repr(x)) % q == 0 for x in values), "a quantum is exact"
    listed = distribution.values or tuple(sorted(set(values)))
    assert set(values) <= set(listed)
    half = float(q) / 2
    below = [0.0, *cdf(np.array(listed[:-1]) + half), 1.0]
    expected = {x: upper - lower for x, lower, upper in zip(listed, below, below[1:], strict=False)}
    assert_shares(Counter(values), expected)


@SOURCES
@pytest.mark.parametrize(("keys", "shares"), LISTED, ids=name)
def test_a_listed_kind_has_the_shares_that_were_given(
    keys: dict[str, Any], shares: dict[Any, float], source: Callable[[Distribution], list[Any]]
) -> None:
    assert_shares(Counter(source(Parameter.model_validate(keys).build())), shares)


def assert_shares(counts: Counter[Any], shares: dict[Any, float]) -> None:
    """Chi-square, with the rare values (fewer than 5 expected) taken as one."""
    assert counts.keys() <= {value for value, share in shares.items() if share > 0}
    rare = [value for value, share in shares.items() if share * DRAWS < 5]
    common = [value for value in shares if value not in rare]
    observed = [float(counts[value]) for value in common]
    expected = [shares[value] * DRAWS for value in common]
    if sum(shares[value] for value in rare) * DRAWS >= 1:
        observed.append(float(sum(counts[value] for value in rare)))
        expected.append(sum(shares[value] for value in rare) * DRAWS)
    if len(expected) > 1:
        scale = sum(observed) / sum(expected)
        assert stats.chisquare(observed, [each * scale for each in expected]).pvalue > LEAST_P
    else:
        assert observed == [DRAWS]


EVERY = [keys for keys, _ in (*CONTINUOUS, *ROUNDED, *LISTED)]


def test_every_kind_of_the_schema_is_checked_here() -> None:
    from raysweep.config.space.kinds import KINDS

    assert {Parameter.model_validate(keys).kind for keys in EVERY} == set(KINDS)
    assert len(KINDS) == 18


@pytest.mark.parametrize("keys", EVERY, ids=name)
def test_the_ends_of_the_quantiles_keep_the_bounds(keys: dict[str, Any]) -> None:
    """Optuna's [0, 1] has both ends. Of a curve without bounds they are numbers, and far out."""
    distribution = Parameter.model_validate(keys).build()
    low, high = distribution.quantile(0.0), distribution.quantile(1.0)
    if distribution.size is not None:
        possible = [x for x in distribution.values or () if x != "c"]  # c has no probability
        assert (low, high) == (possible[0], possible[-1])
        return
    assert math.isfinite(low)
    assert math.isfinite(high)
    exponents = {"log_uniform": (-3, 2), "inv_log_uniform": (-4, -1)}
    if (kind := Parameter.model_validate(keys).kind) in exponents:
        assert (low, high) == tuple(math.exp(x) for x in exponents[kind])
    elif "min" in keys:
        assert keys["min"] <= low <= high <= keys["max"]
        assert (low, high) == pytest.approx((keys["min"], keys["max"]))


@pytest.mark.parametrize("keys", EVERY, ids=name)
def test_a_learning_sampler_takes_every_kind(keys: dict[str, Any]) -> None:
    """TPE, past its random beginning, on a parameter of each kind."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distribution = Parameter.model_validate(keys).build()
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    order = {x: i for i, x in enumerate(distribution.values or ())}
    for _ in range(15):
        trial = study.ask()
        value = ask(trial, "x", distribution)
        assert not order or value in order
        study.tell(trial, float(order.get(value, 0)) if order else value)


def test_a_quantile_of_whole_numbers_beyond_a_doubles_reach_is_one_of_them() -> None:
    huge = Parameter.model_validate({"min": 0, "max": 10**30}).build()
    assert (huge.quantile(0.0), huge.quantile(1.0)) == (0, 10**30)
    assert huge.quantile(0.5) == 10**30 // 2


@pytest.mark.parametrize("keys", EVERY, ids=name)
def test_what_optuna_would_have_answered_is_found(keys: dict[str, Any]) -> None:
    """For an earlier sweep's trials: asked again, it gives the same value."""
    distribution = Parameter.model_validate(keys).build()
    for value in drawn(distribution)[:20]:
        again = ask(optuna.trial.FixedTrial({"x": answer(distribution, value)}), "x", distribution)
        assert again == (pytest.approx(value) if isinstance(value, float) else value)
    with pytest.raises((ValueError, TypeError)):
        answer(distribution, "nothing of the kind")


def test_a_list_goes_by_what_was_tried_and_tries_nothing_twice() -> None:
    """Of a version that lists the trials in another order, or another trial."""
    rates = [{"learning_rate": rate} for rate in (0.1, 0.2, 0.3)]
    source = Listed(rates)
    assert source.next_again({"learning_rate": 0.2}) == {"learning_rate": 0.2}
    assert [source.next(), source.next(), source.next()] == [rates[0], rates[2], None]
    source = Listed(rates)
    assert source.next_again({"learning_rate": 0.9}) == {"learning_rate": 0.9}
    assert [source.next(), source.next(), source.next()] == [rates[1], rates[2], None]


def test_a_listed_value_comes_back_as_the_field_has_it() -> None:
    """A journal knows no tuples."""
    sizes = {"model.hidden_layer_sizes": (4, 8)}
    assert Listed([sizes]).next_again({"model.hidden_layer_sizes": [4, 8]}) == sizes


def test_where_a_grid_has_values_is_computed_and_not_searched():
    class Counted(Grid):
        read = 0

        def __getitem__(self, index):
            Counted.read += 1
            return super().__getitem__(index)

    listed = {"lr": [1, 1.0, 0.1], "mode": ["a", "b"]}
    space = {name: Parameter(values=values).build() for name, values in listed.items()}
    grid = Counted(space, 5)
    assert [grid.place(grid[at]) for at in range(5)] == list(range(5))
    assert grid.place({"lr": 0.1, "mode": "b"}) is None, "after the cut"
    assert grid.place({"lr": 1}) is None
    Counted.read = 0
    source = Listed(grid)
    assert source.next_again({"lr": 5, "mode": "a"}) == {"lr": 5, "mode": "a"}, "another version's"
    assert source.next_again({"lr": 0.1, "mode": "a"}) == {"lr": 0.1, "mode": "a"}
    assert Counted.read <= 6
    rest = [source.next() for _ in range(4)]
    assert rest == [grid[at] for at in (1, 2, 3)] + [None]
