"""A sweep that is stopped at any event, and resumed, comes to what it would have come to."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.errors import Interrupted, UserError
from raysweep.pipeline.events import Event, SweepStarted, TrialUpdated
from raysweep.pipeline.result import SweepResult

from outcomes import outcome
from sweeps import HAS_LOCAL_MODE, digits, stored

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]

TINY = {"hidden_layer_sizes": [2, 4]}
RATES = {"learning_rate": {"values": [0.01, 0.03]}}
DRAWN = {"learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}}

SWEEPS: dict[str, dict[str, Any]] = {
    "grid": {"method": "grid", "parameters": RATES},
    "architectures": {
        "method": "grid",
        "parameters": {"model.hidden_layer_sizes": {"values": [[2, 4], [3, 4]]}},
    },
    "tpe and hyperband": {
        "method": "bayes",
        "run_cap": 4,
        "parameters": DRAWN,
        "sampler": {"type": "tpe", "n_startup_trials": 2},
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
    },
    "hyperband in the order of the sweep": {
        "method": "random",
        "run_cap": 4,
        "parameters": DRAWN,
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2, "order": "sweep"},
    },
    "median": {
        "method": "random",
        "run_cap": 5,
        "parameters": DRAWN,
        "early_terminate": {"type": "median"},
    },
    "population": {"method": "random", "run_cap": 3, "parameters": DRAWN, "pbt": {"interval": 1}},
    "repeats and a target": {
        "method": "grid",
        "parameters": RATES,
        "repeats": 2,
        "metric": {"name": "validation/loss", "target": 2.2999},
    },
    "so many epochs": {"method": "grid", "parameters": RATES, "max_epochs_total": 3},
}


class Stopped:
    """An observer that lets the user press Ctrl-C at event number `at`."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) - 1 == self.at:
            raise KeyboardInterrupt


def config_of(kind: str) -> dict[str, Any]:
    return digits(SWEEPS[kind], model=TINY, train={"epochs": 2}, data={"train_size": 200})


@pytest.mark.parametrize("kind", SWEEPS)
def test_stopped_at_any_event_it_comes_to_the_same(kind: str, tmp_path: Path) -> None:
    """Of every third event, so that each kind has its turn in one sweep or another."""
    watched = Stopped()
    whole = run_sweep(config_of(kind), name="whole", storage=tmp_path / "whole", observer=watched)
    expected = both(whole, tmp_path / "whole")
    first = list(SWEEPS).index(kind) % 3
    for at in range(first, len(watched.events), 3):
        storage = tmp_path / f"cut-{at}"
        with pytest.raises(Interrupted, match="python -m raysweep resume whole --storage"):
            run_sweep(config_of(kind), name="whole", storage=storage, observer=Stopped(at))
        assert_interrupted(storage)
        resumed = resume_sweep(storage=storage)
        assert both(resumed, storage) == expected, f"stopped at {watched.events[at]}"


def test_stopped_again_and_again(tmp_path: Path) -> None:
    """At its every event, of which each process sees one more."""
    kind = "tpe and hyperband"
    whole = run_sweep(config_of(kind), name="whole", storage=tmp_path / "whole")
    storage = tmp_path / "cut"
    with pytest.raises(Interrupted):
        run_sweep(config_of(kind), name="whole", storage=storage, observer=Stopped(2))
    for at in range(4, 40, 3):
        try:
            resumed = resume_sweep(storage=storage, observer=Stopped(at))
            break
        except Interrupted:
            continue
    assert both(resumed, storage) == both(whole, tmp_path / "whole")


def test_a_resumed_sweep_says_so(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_sweep(config_of("grid"), name="mine", storage=tmp_path, observer=Stopped(9))
    watched = Stopped()
    resume_sweep("mine", storage=tmp_path, observer=watched)
    start = watched.events[0]
    assert isinstance(start, SweepStarted)
    assert start.resumed is not None
    assert (start.resumed.ended, start.resumed.under_way) == (1, 1)
    assert start.resumed.changed == ()


def assert_interrupted(storage: Path) -> None:
    tracker = stored(storage).tracker()
    assert {run.state for run in tracker.runs()} <= {"finished", "interrupted"}
    tracker.close()
    assert not (storage / "whole" / "result.json").exists()


def both(result: SweepResult, storage: Path) -> tuple[dict[str, Any], list[Any]]:
    """What the sweep came to, by its files and by what was returned."""
    rows = [(row.name, row.state, row.epoch, row.best, row.error) for row in result.rows]
    return outcome(storage, "whole"), rows


EVALUATION = """
from raysweep.ml.protocols import Evaluation

def evaluate(*, model, test, device):
    return Evaluation(scores={}["loss"])
"""


def test_a_fault_in_the_users_own_evaluation_costs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "own_evaluation.py"
    module.write_text(EVALUATION)
    monkeypatch.syspath_prepend(tmp_path)
    config = config_of("grid") | {"evaluate": {"target": "own_evaluation:evaluate"}}
    config["sweep"] = {**config["sweep"], "name": "1e3"}  # text, though it looks like a number
    with pytest.raises(UserError, match="the trials are kept: mend it, and go on: python -m ray"):
        run_sweep(config, name="mine", storage=tmp_path / "runs")
    module.write_text(EVALUATION.replace('{}["loss"]', '{"loss": 0.5}'))
    importlib.reload(sys.modules["own_evaluation"])
    watched = Stopped()
    result = resume_sweep(storage=tmp_path / "runs", observer=watched)
    assert result.test == {"loss": 0.5}
    told = [event.state for event in watched.events if isinstance(event, TrialUpdated)]
    assert told == ["completed", "completed"], "no trial was trained again"
