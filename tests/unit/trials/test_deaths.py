"""Trials whose processes die: which are retried, how often, and how the others fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle
from ray.exceptions import RayActorError, RayError

from raysweep.config import Config
from raysweep.search import search
from raysweep.search.budget import Budget
from raysweep.search.searcher import TrialSearcher
from raysweep.search.spec import TrialSpec
from raysweep.storage.journal import Journal, read_journal
from raysweep.storage.past import Past
from raysweep.trials.progress import Progress
from raysweep.trials.replay import Replay


@dataclass
class Sweep:
    """Calls what Tune calls when a trial's process has died, in that order, with stub trials."""

    searcher: TrialSearcher
    progress: Progress
    folder: Path
    suggested: int = 0
    specs: list[TrialSpec] = field(default_factory=list)

    def suggest(self) -> Any:
        self.suggested += 1
        suggestion = self.searcher.suggest(f"tune-{self.suggested}")
        if isinstance(suggestion, dict):
            self.specs.append(TrialSpec.from_config(suggestion))
        return suggestion

    def die(self, error: RayError) -> None:
        """Let the process of the trial that was suggested last die."""
        path = self.folder / "error.pkl"
        path.write_bytes(cloudpickle.dumps(error))
        trial = type("Trial", (), {})()
        trial.config, trial.pickled_error_file = self.specs[-1].to_config(), path
        self.searcher.on_trial_complete(f"tune-{self.suggested}", error=True)
        self.progress.on_trial_error(0, [], trial)

    def events(self) -> list[str]:
        return [event["event"] for event in read_journal(self.folder / "journal")]


@pytest.fixture
def sweep(make_config: Callable[..., Config], tmp_path: Path) -> Sweep:
    """Two trials, each of which may die twice."""
    config = make_config(resources={"max_failures": 2})
    budget = Budget(config.sweep, 0, lambda: 0)
    searcher = search.algorithm(config, budget)
    progress = Progress(config, lambda event: None, Journal(tmp_path / "journal"))
    progress.watch(searcher)
    return Sweep(searcher, progress, tmp_path)


def test_it_is_suggested_again_until_it_has_died_too_often(sweep: Sweep) -> None:
    for _ in range(3):
        sweep.suggest()
        sweep.die(RayActorError())
    assert [(spec.index, spec.told) for spec in sweep.specs] == [(0, None), (0, 0), (0, 0)]
    (row,) = sweep.progress.trials
    assert (row.state, row.restarts) == ("failed", 2)
    assert row.error == "its process died 3 times: killed, or out of memory"
    assert sweep.events() == ["died", "died", "died", "ended"]
    sweep.suggest()
    assert sweep.specs[-1].index == 1


def test_a_resumed_sweep_counts_the_same_restarts(
    sweep: Sweep, make_config: Callable[..., Config]
) -> None:
    """A death after which no process continues is no restart, live and in the journal alike."""
    for _ in range(3):
        sweep.suggest()
        sweep.die(RayActorError())
    config = make_config(resources={"max_failures": 2})
    budget = Budget(config.sweep, 0, lambda: 0)
    searcher, stopper = search.algorithm(config, budget), search.stopper(config, budget)
    progress = Progress(config, lambda event: None, Journal(sweep.folder / "again"))
    replay = Replay(searcher, search.scheduler(config, None), stopper, budget, progress)
    first = {"event": "trial", "index": 0, "values": dict(sweep.specs[0].overrides), "repeat": 0}
    replay.play(Past([first, *read_journal(sweep.folder / "journal")]))
    assert progress.trials == sweep.progress.trials


def test_a_machine_that_is_taken_away_does_not_count(sweep: Sweep) -> None:
    for preempted in (True, False, True, False, True):
        sweep.suggest()
        sweep.die(RayActorError(preempted=preempted))
    (row,) = sweep.progress.trials
    assert (row.state, row.restarts) == ("running", 5)


def test_the_searcher_does_not_end_while_a_trial_may_be_retried(sweep: Sweep) -> None:
    sweep.suggest()
    sweep.suggest()
    assert sweep.suggest() is None
    sweep.suggested -= 1
    sweep.die(RayActorError())
    sweep.suggest()
    assert sweep.specs[-1].index == 1
    for trial in ("tune-1", f"tune-{sweep.suggested}"):
        sweep.searcher.on_trial_complete(trial, {"best/validation/accuracy": 1.0})
    assert sweep.suggest() == TrialSearcher.FINISHED
