"""A sweep that is stopped at any event and resumed has the result of an uninterrupted one."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.cli.main import main
from raysweep.errors import Interrupted, SweepFailed, UserError
from raysweep.events import Event, SweepStarted, TrialUpdated
from raysweep.ml import compute, cpu
from raysweep.storage.journal import read_journal
from raysweep.sweep.result import SweepResult

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
def test_stopped_at_any_event_it_has_the_same_result(kind: str, tmp_path: Path) -> None:
    """Every third event is tried, so that each kind occurs in one of the sweeps."""
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
    """Each process is stopped one event later than the process before."""
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


def test_best_leaves_a_model_of_other_data_only_where_that_is_asked_for(
    tmp_path: Path, mini_fashion: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one project, where a resume may ask for what the sweep was not started with."""
    storage, data = tmp_path / "runs", {"root": str(mini_fashion), "train_size": 200}
    first = digits(SWEEPS["grid"], model=TINY, data={"dataset": "FashionMNIST", **data})
    theirs = run_sweep(first, name="theirs", storage=storage).best.artifact
    stays = run_sweep(config_of("grid"), name="stays", storage=storage)
    assert not stays.promoted
    assert stays.promotion == (
        f"best stays {theirs}, which was trained on fashionmnist, and {stays.best.artifact} on "
        "digits; --promote always moves it all the same"
    )
    with pytest.raises(UserError, match="promote: expected one of always, if_better, got 'never'"):
        run_sweep(config_of("grid"), storage=storage, promote="never")  # type: ignore[arg-type]
    with pytest.raises(Interrupted):
        run_sweep(config_of("grid"), name="mine", storage=storage, observer=Stopped(9))
    assert main(["resume", "mine", "--storage", str(storage), "--promote", "always"]) == 0
    assert f", was {theirs}" in capsys.readouterr().err
    tracker = stored(storage).tracker()
    assert "best-mine" in tracker.artifact("trained-model:best").aliases
    tracker.close()
    given = (storage / "mine" / "config.given.yaml").read_text()
    assert given.startswith("data:\n  dataset: digits\n  train_size: 200\n")


def assert_interrupted(storage: Path) -> None:
    tracker = stored(storage).tracker()
    assert {run.state for run in tracker.runs()} <= {"finished", "interrupted"}
    tracker.close()
    assert not (storage / "whole" / "result.json").exists()


def both(result: SweepResult, storage: Path) -> tuple[dict[str, Any], list[Any]]:
    """Return the sweep's outcome by its files, and the returned result."""
    rows = [(row.name, row.state, row.epoch, row.best, row.error) for row in result.rows]
    return outcome(storage, "whole"), rows


EVALUATION = """
from raysweep.ml.protocols import Evaluation

def evaluate(*, model, test, device):
    return Evaluation(scores={}["loss"])
"""


def test_an_error_in_a_custom_evaluation_costs_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "own_evaluation.py"
    module.write_text(EVALUATION)
    monkeypatch.syspath_prepend(tmp_path)
    config = config_of("grid") | {"evaluate": {"target": "own_evaluation:evaluate"}}
    config["sweep"] = {**config["sweep"], "name": "1e3"}  # text, though it looks like a number
    with pytest.raises(SweepFailed, match="mend it, and go on: python -m raysweep resume mine"):
        run_sweep(config, name="mine", storage=tmp_path / "runs")
    module.write_text(EVALUATION.replace('{}["loss"]', '{"loss": 0.5}'))
    importlib.reload(sys.modules["own_evaluation"])
    watched = Stopped()
    result = resume_sweep(storage=tmp_path / "runs", observer=watched)
    assert result.test == {"loss": 0.5}
    told = [event.state for event in watched.events if isinstance(event, TrialUpdated)]
    assert told == ["completed", "completed"], "no trial was trained again"


def without_it(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_it, "none after 1 epochs; trial-0001 is trained again from its beginning"),
        (emptied, "is damaged; trial-0001 is trained again from its beginning"),
        (damaged, "is damaged; trial-0001 is trained again from its beginning"),
    ],
)
def test_a_trial_whose_checkpoint_is_lost_is_trained_again_and_one_line_says_so(
    spoil: Callable[[Path], None], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run_sweep(config_of("grid"), name="whole", storage=tmp_path / "whole")
    storage = tmp_path / "cut"
    with pytest.raises(Interrupted):
        run_sweep(config_of("grid"), name="whole", storage=storage, observer=in_the_second_trial)
    (path,) = (storage / "whole" / "checkpoints").glob("trial-0001-*")
    spoil(path)
    assert main(["resume", "--storage", str(storage)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if says in line] == [line for line in said if "WARNING" in line]
    events = read_journal(storage / "whole" / "journal.jsonl")
    told = [(e["index"], e["epochs"]) for e in events if e["event"] == "epoch"]
    assert sorted(told) == [(0, 1), (0, 2), (1, 1), (1, 2)], "none twice"
    assert outcome(storage, "whole") == both(whole, tmp_path / "whole")[0]


def in_the_second_trial(event: Event) -> None:
    """Press Ctrl-C after its first epoch."""
    if isinstance(event, TrialUpdated) and (event.index, event.epoch) == (1, 1):
        raise KeyboardInterrupt


def test_deaths_are_counted_across_drivers(tmp_path: Path) -> None:
    """The trial died as often as it may under an earlier driver."""
    config = config_of("grid") | {"resources": {"cpus": 1, "max_failures": 1}}
    with pytest.raises(Interrupted):
        run_sweep(config, name="mine", storage=tmp_path, observer=in_the_second_trial)
    with (tmp_path / "mine" / "journal.jsonl").open("a") as file:
        file.write('{"event": "died", "at": 9, "index": 1, "counts": 1}\n')
    watched = Stopped()
    resume_sweep(storage=tmp_path, observer=watched)
    rows = [event for event in watched.events if isinstance(event, TrialUpdated)]
    assert {row.restarts for row in rows if row.index == 1} == {1}


def test_a_journal_of_the_previous_version_is_resumed(tmp_path: Path) -> None:
    """Its journal records neither the precision nor the machine's boot time."""
    whole = run_sweep(config_of("grid"), name="whole", storage=tmp_path / "whole")
    storage = tmp_path / "cut"
    with pytest.raises(Interrupted):
        run_sweep(config_of("grid"), name="whole", storage=storage, observer=in_the_second_trial)
    path = storage / "whole" / "journal.jsonl"
    first, *others = path.read_text().splitlines()
    event = json.loads(first)
    del event["precision"], event["boot"]
    path.write_text("\n".join([json.dumps(event), *others, ""]))
    resumed = resume_sweep(storage=storage)
    assert both(resumed, storage) == both(whole, tmp_path / "whole")


def test_the_precision_is_that_of_the_machine_that_it_started_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`precision: auto` keeps its meaning where the CPU is fast at another format."""

    monkeypatch.setattr(compute, "_auto", None)  # which this process has for good

    def on_a_machine(*, fast: bool) -> None:
        monkeypatch.setattr(cpu, "has_fast_bf16", lambda: fast)

    on_a_machine(fast=True)
    whole = run_sweep(config_of("grid"), name="whole", storage=tmp_path / "whole")
    storage = tmp_path / "cut"
    with pytest.raises(Interrupted):
        run_sweep(config_of("grid"), name="whole", storage=storage, observer=in_the_second_trial)
    on_a_machine(fast=False)
    watched = Stopped()
    resumed = resume_sweep(storage=storage, observer=watched)
    assert both(resumed, storage) == both(whole, tmp_path / "whole"), "bit for bit"
    (start,) = (event for event in watched.events if isinstance(event, SweepStarted))
    assert start.notices == (
        "train.precision: auto is bf16, as when the sweep started, here too, which is not fast at "
        "it",
    )
    with closing(stored(storage).tracker()) as tracker:
        runs = [run for run in tracker.runs("whole") if run.job_type == "train"]
        recorded = [(run.config["precision"], run.config["train"]["precision"]) for run in runs]
        assert recorded == [("bf16", "auto")] * 2
        assert {tracker.artifact(run.logged[0]).metadata["precision"] for run in runs} == {"bf16"}
