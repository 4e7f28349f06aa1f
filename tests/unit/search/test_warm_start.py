"""Which trials of earlier sweeps the sampler gets, why it does not get others, and what it does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from raysweep.config import SWEPT_SECTIONS, Config, apply
from raysweep.errors import UserError
from raysweep.search.suggest import answer, suggest
from raysweep.search.warm_start import Earlier, WarmStart, asked
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.tracking import ArtifactDraft, RunSpec, RunState, Tracker

from tuned import tune
from workshop import PROJECT, digits_config, open_store

METRIC = "validation/accuracy"
PARAMETERS: dict[str, dict[str, Any]] = {
    "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "weight_decay": {"distribution": "q_uniform", "min": 0.1, "max": 0.5, "q": 0.1},
    "batch_size": {"min": 16, "max": 64},
    "model.kernel_sizes": {"values": [[3], [3, 5], [5]]},
    "schedule": {"values": [None, "cosine"]},
    "optimizer": {"value": "SGD"},
}
FITTING = {
    "learning_rate": 0.01,
    "weight_decay": 0.3,
    "batch_size": 32,
    "schedule": "none",
    "optimizer": "SGD",
    "model.kernel_sizes": [3, 5],
}


def bayes(**keys: Any) -> Config:
    sweep = {"method": "bayes", "run_cap": 9, "parameters": PARAMETERS, **keys}
    return digits_config(sweep=sweep, tracking={"project": PROJECT})


class Past:
    """Earlier sweeps, made up: their folders and their runs."""

    def __init__(self, root: Path) -> None:
        self.storage = Storage(root)
        self.tracker: Tracker = open_store(root / "tracker")
        self.data = ""
        self._count = 0
        path = root / "x"
        path.write_text("x")
        for split in ("a", "b"):
            draft = ArtifactDraft("data", "dataset", "", {"split": split}, {"x": path})
            self.data = self._run("stages", "load-data", {}).log_artifact(draft).ref
        self.other_data = "data:v0"

    def sweep(self, name: str, metric: str = METRIC, project: str = PROJECT) -> None:
        record = SweepRecord.new(name, project, None, "trackio")
        self.storage.create(record, {"sweep": {"metric": {"name": metric}}})

    def trial(
        self,
        sweep: str,
        score: float | None,
        changes: dict[str, Any] | None = None,
        *,
        stopped: bool = False,
        state: RunState = "finished",
        data: str | None = None,
        config: Config | None = None,
        **summary: Any,
    ) -> None:
        """Of the values in `config` (by default that of `bayes()`), FITTING where it sweeps."""
        config = config or bayes()
        swept = {name: FITTING[name] for name in config.sweep.parameters}
        trial = apply(config, swept | (changes or {}))
        recorded = {part: getattr(trial, part).model_dump(mode="json") for part in SWEPT_SECTIONS}
        run = self._run(sweep, "train", recorded)
        run.use_artifact(data or self.data)
        run.summarize({METRIC: score, "validation/loss": 1.0, "stopped": stopped, **summary})
        run.finish(state)

    def read(self, *names: str, config: Config | None = None) -> WarmStart:
        found = Earlier(self.storage, names).read(config or bayes(), self.tracker, self.data)
        assert found is not None
        return found

    def _run(self, sweep: str, job: str, config: dict[str, Any]) -> Any:
        self._count += 1
        return self.tracker.start_run(RunSpec(f"run-{self._count}", "a run", job, sweep, config))


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def test_what_was_suggested_is_found_again() -> None:
    space = bayes().sweep.space()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        trial = study.ask()
        values = suggest(space, trial)
        found = {name: answer(space[name], values[name]) for name in space}
        assert found.pop("optimizer") == "SGD"
        again = suggest(space, optuna.trial.FixedTrial(found))
        assert again == values
    assert asked(space) == trial.distributions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.2),
        ("weight_decay", 0.25),
        ("weight_decay", 0.6),
        ("batch_size", 65),
        ("model.kernel_sizes", [5, 3]),
        ("optimizer", "Adam"),
    ],
)
def test_a_value_outside_the_space_is_no_answer(name: str, value: Any) -> None:
    with pytest.raises(ValueError):
        answer(bayes().sweep.space()[name], value)


def test_completed_trials_that_fit_are_taken(past: Past) -> None:
    past.sweep("one")
    past.sweep("two")
    past.trial("one", 90.0)
    past.trial("two", 80.0, {"learning_rate": 0.02, "schedule": "cosine"})
    found = past.read("one", "two", "one")
    assert (found.event.taken, found.event.passed_over) == (2, {})
    assert [trial.value for trial in found.trials] == [90.0, 80.0]
    assert found.trials[1].params == {
        "learning_rate": 0.02,
        "weight_decay": pytest.approx(0.5),  # of [0, 1]: the middle of what becomes 0.3
        "batch_size": 32,
        "model.kernel_sizes": 1,
        "schedule": 1,
    }


def test_repeats_are_one_with_their_mean(past: Past) -> None:
    past.sweep("one")
    for score in (70.0, 80.0, 90.0):
        past.trial("one", score)
    found = past.read("one")
    assert found.event.taken == 3
    assert [trial.value for trial in found.trials] == [80.0]


def test_why_the_others_are_not(past: Past) -> None:
    past.sweep("one")
    past.sweep("by-loss", metric="validation/loss")
    past.trial("one", 90.0)
    past.trial("one", 90.0, stopped=True)
    past.trial("one", 90.0, state="failed")
    past.trial("one", None)
    past.trial("one", 90.0, data=past.other_data)
    past.trial("one", 90.0, clones=[{"epochs": 1, "parent": "trial-0000"}])
    past.trial("one", 90.0, {"learning_rate": 0.5})
    past.trial("one", 90.0, {"optimizer": "Adam"})
    past.trial("by-loss", 90.0)
    found = past.read("one", "by-loss")
    assert found.event.to_json() == {
        "sweeps": ["one", "by-loss"],
        "taken": 1,
        "passed_over": {
            "not completed": 2,
            f"no finite {METRIC}": 1,
            "other data": 1,
            "its values changed on the way": 1,
            "learning_rate outside the space": 1,
            "optimizer outside the space": 1,
            "another metric (validation/loss)": 1,
        },
    }


def test_a_field_that_was_not_recorded_is_missing(past: Past) -> None:
    past.sweep("one")
    past._run("one", "train", {}).summarize({METRIC: 90.0, "stopped": False})
    run = past.tracker.runs("one")[-1]
    past.tracker.start_run(RunSpec(run.id, "a run", "train", "one", {})).use_artifact(past.data)
    past.tracker.start_run(RunSpec(run.id, "a run", "train", "one", {})).finish()
    config = bayes(parameters={"momentum": {"min": 0.0, "max": 0.9}})
    assert past.read("one", config=config).event.passed_over == {"no momentum recorded": 1}


def test_what_is_not_swept_must_have_been_the_same(past: Past) -> None:
    """A field that the earlier sweep swept and this one does not, or that was set otherwise."""
    past.sweep("one")
    rate = {"learning_rate": PARAMETERS["learning_rate"]}
    config = bayes(parameters=rate)
    past.trial("one", 90.0, config=config)
    past.trial("one", 90.0, {"epochs": 7}, config=config)
    past.trial("one", 90.0, {"model.dropout": 0.5}, config=config)
    past.trial("one", 90.0, {"data.train_size": 100}, config=config)
    past.trial("one", 90.0, {"batch_log_interval": 7, "precision": "bf16"}, config=config)
    told = Earlier(past.storage, ("one",)).read(config, past.tracker, None)
    assert told is not None
    assert told.event.taken == 2
    assert told.event.passed_over == {
        "another train.epochs": 1,
        "another model.dropout": 1,
        "another data.train_size": 1,
    }


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_the_sampler_starts_from_them(sampler: str, past: Past) -> None:
    """24 trials say that 10^-3.6 is best, near the edge: what is suggested lies near it at once."""
    keys = {"parameters": {"learning_rate": PARAMETERS["learning_rate"]}, "sampler": sampler}
    config = bayes(**keys)
    past.sweep("one")
    for i in range(24):
        power = -4 + 3 * i / 23
        score = 100 - 50 * abs(power + 3.6)
        past.trial("one", score, {"learning_rate": 10**power}, config=config)
    known = past.read("one", config=config).trials
    assert len(known) == 24

    def off(known: Any) -> float:
        """Mean distance of the suggestions from the best, in powers of ten."""
        found = tune(config, lambda *_: 50, known=known).values
        return sum(abs(math.log10(each["learning_rate"]) + 3.6) for each in found) / len(found)

    assert off(known) < 0.8 < off(())


@pytest.mark.parametrize("count", [1, 9, 10])
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_few_trials_and_a_mixed_space_are_no_trouble(sampler: str, count: int, past: Past) -> None:
    """CMA-ES takes no fewer than ten, and no choices."""
    config = bayes(sampler=sampler)
    past.sweep("one")
    for i in range(count):
        past.trial("one", 80.0 + i, {"learning_rate": 0.01 + i / 1000}, config=config)
    known = past.read("one", config=config).trials
    assert len(known) == count
    assert len(tune(config, lambda *_: 50, known=known).values) == 9


def test_none_is_asked_for(past: Past) -> None:
    assert Earlier(past.storage, ()).read(bayes(), past.tracker, past.data) is None
    assert Earlier.of(past.storage, (), bayes(sampler="qmc")).names == ()


@pytest.mark.parametrize(
    ("config", "names", "message"),
    [
        (digits_config(), ["one"], "--warm-start: method grid learns from no trial; use method"),
        (bayes(sampler="qmc"), ["one"], "--warm-start: sampler qmc learns from no trial"),
        (bayes(), ["one", "tow"], "no sweep named tow in "),
        (bayes(), ["elsewhere"], "--warm-start elsewhere: it is of project p, and this sweep of"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    past: Past, config: Config, names: list[str], message: str
) -> None:
    past.sweep("one")
    past.sweep("elsewhere", project="p")
    assert Earlier.of(past.storage, ("one",), bayes()).names == ("one",)
    with pytest.raises(UserError, match=message) as caught:
        Earlier.of(past.storage, names, config)
    assert "\n" not in str(caught.value)


def test_a_journal_keeps_what_was_taken(past: Past) -> None:
    """Whatever becomes of the earlier sweep."""
    past.sweep("one")
    past.trial("one", 90.0, {"learning_rate": 0.02})
    past.trial("one", 80.0, {"learning_rate": 0.04})
    config, taken = bayes(), past.read("one")
    assert len(taken.trials) == 2
    noted = WarmStart.from_json(config, json.loads(json.dumps(taken.to_json())))
    assert noted.event == taken.event
    for mine, theirs in zip(noted.trials, taken.trials, strict=True):
        assert (mine.params, mine.value) == (theirs.params, theirs.value)
        assert mine.distributions == theirs.distributions
