"""The search-space vocabulary: the meaning of each name, and that samples follow it."""

from __future__ import annotations

import math
from decimal import Decimal
from random import Random
from statistics import NormalDist, mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysweep.config import (
    Beta,
    Categorical,
    Constant,
    Distribution,
    Normal,
    Parameter,
    Rounded,
    Steps,
    Uniform,
)

quick = settings(deadline=None, max_examples=150)


def build(**keys: Any) -> Distribution:
    return Parameter.model_validate(keys).build()


def draws(distribution: Distribution, count: int = 4000, seed: int = 0) -> list[Any]:
    rng = Random(seed)
    return [distribution.sample(rng) for _ in range(count)]


@pytest.mark.parametrize(
    ("keys", "distribution", "words"),
    [
        ({"value": None}, Constant(None), "null"),
        ({"value": 3, "distribution": "constant"}, Constant(3), "3"),
        ({"values": ["a", 0.5]}, Categorical(("a", 0.5)), '"a" | 0.5'),
        (
            {"values": [1, 2], "probabilities": [0.25, 0.75]},
            Categorical((1, 2), (0.25, 0.75)),
            "1 (0.25) | 2 (0.75)",
        ),
        ({"min": 1, "max": 8}, Steps(1, 8), "1 … 8"),
        ({"min": 1, "max": 8.0}, Uniform(1, 8), "1 … 8"),
        (
            {"min": 16, "max": 130, "q": 16},
            Rounded(Uniform(16, 130), 16),
            "16 … 128 in steps of 16",
        ),
        (
            {"min": 0.1, "max": 0.3, "q": 0.1, "distribution": "q_uniform"},
            Rounded(Uniform(0.1, 0.3), 0.1),
            "0.1 … 0.3 in steps of 0.1",
        ),
        (
            {"min": 1.5, "max": 4, "distribution": "q_uniform"},
            Rounded(Uniform(1.5, 4), 1),
            "2 … 4 in steps of 1",
        ),
        (
            {"min": 0, "max": 1, "distribution": "log_uniform"},
            Uniform(1, math.e, log=True),
            "1 … 2.71828, log-uniform",
        ),
        (
            {"min": 0, "max": 1, "distribution": "inv_log_uniform"},
            Uniform(math.exp(-1), 1, log=True),
            "0.367879 … 1, log-uniform",
        ),
        (
            {"distribution": "beta", "a": 2},
            Beta(2, 1),
            "beta, 0 … 1, a 2, b 1",
        ),
        (
            {"distribution": "q_beta", "b": 3, "q": 0.25},
            Rounded(Beta(1, 3), 0.25),
            "beta, 0 … 1, a 1, b 3, in steps of 0.25",
        ),
        (
            {"min": 0.1, "max": 1, "distribution": "inv_log_uniform_values"},
            Uniform(0.1, 1, log=True),
            "0.1 … 1, log-uniform",
        ),
        (
            {"min": 8, "max": 512, "q": 8, "distribution": "q_log_uniform_values"},
            Rounded(Uniform(8, 512, log=True), 8),
            "8 … 512, log-uniform, in steps of 8",
        ),
        ({"distribution": "normal"}, Normal(0, 1), "normal, mu 0, sigma 1"),
        (
            {"distribution": "q_log_normal", "mu": 2, "q": 0.5},
            Rounded(Normal(2, 1, log=True), 0.5),
            "log-normal, mu 2, sigma 1, in steps of 0.5",
        ),
    ],
)
def test_a_name_means_a_distribution(
    keys: dict[str, Any], distribution: Distribution, words: str
) -> None:
    assert build(**keys) == distribution
    assert distribution.describe() == words


def test_only_the_keys_that_were_given_are_written_back() -> None:
    assert Parameter.model_validate({"value": None}).model_dump(mode="json") == {"value": None}
    assert Parameter.model_validate({"min": 1, "max": 2.5}).model_dump() == {"min": 1, "max": 2.5}


bounds = st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).map(sorted)


@quick
@given(bounds, st.booleans(), st.integers())
def test_a_range_is_kept(limits: list[float], log: bool, seed: int) -> None:
    low, high = limits
    assert all(low <= x <= high for x in draws(Uniform(low, high, log), 20, seed))


@quick
@given(
    bounds,
    st.sampled_from(["0.1", "0.05", "0.003", "1e-05", "2.5", "7"]),
    st.sampled_from(["q_uniform", "q_log_uniform_values"]),
    st.integers(),
)
def test_a_quantum_is_exact_and_the_range_is_kept(
    limits: list[float], quantum: str, kind: str, seed: int
) -> None:
    q = float(quantum) if "." in quantum or "e" in quantum else int(quantum)
    low, high = limits[0], limits[1] + 7  # 7, the largest quantum: at least one multiple between
    for x in draws(build(min=low, max=high, q=q, distribution=kind), 20, seed):
        assert low <= x <= high
        assert Decimal(repr(x)) % Decimal(quantum) == 0
        assert type(x) is type(q)


@quick
@given(st.integers(-50, 50), st.integers(0, 30))
def test_steps_list_what_they_draw(first: int, count: int) -> None:
    steps = Steps(first, first + count)
    assert steps.values == tuple(range(first, first + count + 1))
    assert set(draws(steps, 50)) <= set(steps.values)


@pytest.mark.parametrize(
    ("distribution", "transform", "expected", "deviation"),
    [
        (Uniform(2, 6), float, 4, 4 / math.sqrt(12)),
        (Uniform(1, math.e**4, log=True), math.log, 2, 4 / math.sqrt(12)),
        (Normal(3, 2), float, 3, 2),
        (Normal(3, 2, log=True), math.log, 3, 2),
        (Steps(0, 10), float, 5, math.sqrt(10)),
        (Categorical((0, 1), (0.2, 0.8)), float, 0.8, 0.4),
        (Rounded(Normal(10, 3), 2), float, 10, math.sqrt(9 + 4 / 12)),
    ],
)
def test_draws_have_the_mean_and_the_deviation(
    distribution: Distribution, transform: Any, expected: float, deviation: float
) -> None:
    sample = NormalDist.from_samples([transform(x) for x in draws(distribution)])
    assert sample.mean == pytest.approx(expected, abs=4 * deviation / math.sqrt(4000))
    assert sample.stdev == pytest.approx(deviation, rel=0.05)


def test_a_value_of_no_probability_is_never_drawn() -> None:
    assert mean(draws(Categorical((0, 1), (0.0, 1.0)))) == 1


def test_what_cannot_be_listed_has_no_values() -> None:
    for distribution in (Uniform(0, 1), Normal(0, 1), Rounded(Normal(0, 1), 1)):
        assert distribution.size is None
        assert distribution.values is None
        assert not distribution.even
