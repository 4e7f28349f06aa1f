"""Population-based training: who clones whom, with which values, and what the lineage shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from raysweep.config import Config, apply
from raysweep.search.population import Clone, Member, Population, nudged
from raysweep.storage.journal import Journal
from raysweep.trials.training.workload import Training
from raysweep.trials.trial import TrialSession

from workshop import Workshop, spec_of, training

PARAMETERS: dict[str, dict[str, Any]] = {
    "learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
    "batch_size": {"values": [32, 64, 128, 256]},
    "weight_decay": {"distribution": "q_uniform", "min": 0.0, "max": 0.5, "q": 0.1},
}
VALUES = {"learning_rate": 0.01, "batch_size": 64, "weight_decay": 0.3}


@pytest.fixture
def configured(make_config: Callable[..., Config]) -> Callable[..., Config]:
    """configured(quantile=0.5): a random sweep of four members with these keys of pbt."""

    def make(metric: str = "validation/accuracy", **pbt: Any) -> Config:
        sweep = {
            "method": "random",
            "metric": {"name": metric},
            "run_cap": 4,
            "parameters": PARAMETERS,
            "pbt": pbt,
        }
        return make_config(sweep=sweep, train={"epochs": 3, "schedule": "one-cycle"})

    return make


def answers(config: Config, scores: list[float | None], epoch: int = 1) -> list[Clone | None]:
    """What each trial is told, in the order of their coming."""
    population = Population(config)
    return [
        population.report(Member(f"trial-{i}", score, f"trial-checkpoint:v{i}", VALUES), epoch)
        for i, score in enumerate(scores)
    ]


def parents(config: Config, scores: list[float | None]) -> list[str | None]:
    return [answer.parent if answer else None for answer in answers(config, scores)]


def test_the_worst_quarter_of_those_there_clones_the_best(
    configured: Callable[..., Config],
) -> None:
    config = configured()
    assert parents(config, [50.0]) == [None]
    assert parents(config, [50.0, 60.0, 55.0, 40.0]) == [None, None, None, "trial-1"]
    assert parents(config, [50.0, 40.0]) == [None, "trial-0"]


def test_a_loss_goes_the_other_way(configured: Callable[..., Config]) -> None:
    config = configured("validation/loss")
    assert parents(config, [0.5, 0.4, 0.6]) == [None, None, "trial-1"]


def test_a_diverged_trial_clones_and_is_never_cloned(configured: Callable[..., Config]) -> None:
    config = configured()
    assert parents(config, [math.nan, 1.0, None]) == [None, None, "trial-1"]
    assert parents(config, [math.nan, math.nan]) == [None, None], "there is nobody better"
    half = configured(quantile=0.5)
    for epoch in range(1, 20):
        clone = answers(half, [1.0, math.nan, math.nan, math.nan], epoch)[-1]
        assert clone is not None
        assert clone.parent == "trial-0"


def test_only_the_same_epoch_is_compared(configured: Callable[..., Config]) -> None:
    population = Population(configured())
    assert population.report(Member("a", 90.0, "c:v0", VALUES), 1) is None
    assert population.report(Member("b", 10.0, "c:v1", VALUES), 2) is None
    assert population.report(Member("b", 10.0, "c:v2", VALUES), 1) is not None


def test_the_quantile_is_the_share_that_clones(configured: Callable[..., Config]) -> None:
    scores = [float(score) for score in (80, 70, 60, 50, 40, 30, 20, 45)]
    found = parents(configured(quantile=0.5), scores)
    assert found[-1] in {"trial-0", "trial-1", "trial-2", "trial-3"}
    assert parents(configured(quantile=0.25), scores)[-1] is None


def test_the_same_sweep_draws_the_same(configured: Callable[..., Config]) -> None:
    scores: list[float | None] = [50.0, 40.0, 30.0, 20.0]
    assert answers(configured(), scores) == answers(configured(), scores)
    assert answers(configured(), scores, epoch=2) != answers(configured(), scores, epoch=1)


def test_values_are_perturbed_within_the_space(configured: Callable[..., Config]) -> None:
    config = configured(resample_probability=0)
    seen = set()
    for epoch in range(1, 40):
        clone = answers(config, [50.0, 40.0], epoch)[1]
        assert clone is not None
        assert clone.checkpoint == "trial-checkpoint:v0"
        assert clone.values["learning_rate"] in (0.01 * 0.8, 0.01 * 1.2)
        assert clone.values["batch_size"] in (32, 128)
        assert clone.values["weight_decay"] in (0.2, 0.4)
        apply(config, clone.values)
        seen.add(tuple(clone.values.values()))
    assert len(seen) == 8


def test_values_are_resampled_as_likely_as_it_says(configured: Callable[..., Config]) -> None:
    config = configured(resample_probability=1)
    clones = [answers(config, [50.0, 40.0], epoch)[1] for epoch in range(1, 40)]
    assert {clone.values["batch_size"] for clone in clones if clone} == {32, 64, 128, 256}


def test_what_is_nudged_stays_within_its_bounds(configured: Callable[..., Config]) -> None:
    space = configured().sweep.space()
    rng = Random(0)
    for name, edges in {
        "learning_rate": (0.001, 0.1),
        "batch_size": (32, 256),
        "weight_decay": (0.0, 0.5),
    }.items():
        for edge in edges:
            found = {nudged(space[name], edge, rng) for _ in range(20)}
            assert len(found) == 2
            assert all(edges[0] <= value <= edges[1] for value in found)


def test_a_trial_that_is_behind_goes_on_from_the_others_checkpoint(
    workshop: Workshop, configured: Callable[..., Config]
) -> None:
    config = configured(resample_probability=0)
    population = Population(config)

    def session(name: str, rate: float) -> TrialSession:
        values = {**VALUES, "learning_rate": rate}
        context = workshop.context(config, population=population)
        return TrialSession(Training(), context, spec_of(name, values))

    good, bad = session("trial-0000", 0.02), session("trial-0001", 0.001)
    good.step()
    weights = {k: v.clone() for k, v in training(good).trainer.model.state_dict().items()}  # type: ignore[union-attr]
    before = bad.step()
    assert bad.report.best == before, "its best epoch stays its own"
    assert bad.report.values is not None
    assert bad.report.values["learning_rate"] == 0.001
    trainer = training(bad).trainer
    assert trainer is not None
    assert all(torch.equal(weights[k], v) for k, v in trainer.model.state_dict().items())
    for each in (good, bad):
        while not each.done:
            each.step()

    tracker = workshop.tracker
    made, cloned = (tracker.run(workshop.sweep.run_id(f"trial-000{i}")) for i in (0, 1))
    assert len(tracker.runs(workshop.sweep.name)) == 2, "it is the same run still"
    checkpoint = made.logged[0]
    assert checkpoint in cloned.used
    assert tracker.artifact(checkpoint).type == "checkpoint"
    assert tracker.artifact(checkpoint).metadata["epochs"] == 1
    first = cloned.summary["clones"][0]
    assert (first["epochs"], first["parent"], first["checkpoint"]) == (1, "trial-0000", checkpoint)
    assert first["values"]["learning_rate"] == pytest.approx(0.02, rel=0.21)
    model = tracker.artifact(cloned.logged[-1])
    assert model.metadata["clones"] == cloned.summary["clones"]
    assert model.metadata["train"]["learning_rate"] == bad.report.values["learning_rate"]
    assert bad.report.values["learning_rate"] != 0.001, "it was better after it had cloned"
    edges = tracker.lineage(model.ref).to_json()["edges"]
    assert [f"artifact:{checkpoint}", f"run:{cloned.id}"] in edges
    assert [f"run:{made.id}", f"artifact:{checkpoint}"] in edges


def test_the_interval_counts_epochs_and_the_last_one_clones_nothing(
    workshop: Workshop, configured: Callable[..., Config]
) -> None:
    config = configured(interval=2)
    context = workshop.context(config, population=Population(config))
    session = TrialSession(Training(), context, spec_of("trial-0000", VALUES))
    while not session.done:
        session.step()
    logged = workshop.tracker.run(workshop.sweep.run_id("trial-0000")).logged
    assert [ref.partition(":")[0] for ref in logged] == ["trial-checkpoint", "trained-model"]


def test_one_that_is_started_again_knows_its_members_from_the_journal(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    config = configured(quantile=0.5)
    good, bad = (
        Member("trial-0000", 90.0, "c:v0", VALUES),
        Member("trial-0001", 10.0, "c:v1", VALUES),
    )
    alone = Population(config)
    alone.report(good, 1)
    expected = alone.report(bad, 1)
    assert expected is not None
    journal = tmp_path / "journal.jsonl"
    Journal(journal).write("epoch", index=0, epochs=1, member=asdict(good))
    assert Population(config, journal).report(bad, 1) == expected
