"""A sweep that cannot succeed ends early; failed trials run again once the cause is fixed."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from fragile_sweep import TRAINER, config_of

from raysweep import resume_sweep, run_sweep
from raysweep.cli.main import main
from raysweep.errors import Interrupted, SweepFailed, UserError
from raysweep.events import Event, SweepStarted, TrialUpdated
from raysweep.storage.journal import read_journal

from outcomes import outcome
from sweeps import HAS_LOCAL_MODE, runs_by_job, stored

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that lists the learning rates with which a trial fails in its second epoch."""
    (tmp_path / "fragile.py").write_text(TRAINER)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("fragile", None)
    importlib.invalidate_caches()
    return tmp_path / "broken"


def test_a_sweep_that_cannot_succeed_stops_and_continues_once_fixed(
    broken: Path, tmp_path: Path
) -> None:
    rates = [0.01, 0.02, 0.03, 0.04, 0.05]
    config = config_of(broken, rates)
    config["resources"]["max_consecutive_failures"] = 3
    broken.write_text(" ".join(map(str, rates)))
    with pytest.raises(SweepFailed) as failed:
        run_sweep(config, name="mine", storage=tmp_path / "runs")
    said = str(failed.value)
    assert "mine stopped: 3 trials in a row failed with the same cause" in said
    assert "ValueError: no loss for 0.03" in said
    assert "python -m raysweep resume mine" in said and "--retry-failed" in said
    assert "\n" not in said
    journal = tmp_path / "runs" / "mine" / "journal.jsonl"
    assert sum(event["event"] == "trial" for event in read_journal(journal)) == 3
    broken.unlink()
    started: list[SweepStarted] = []

    def watch(event: Event) -> None:
        if isinstance(event, SweepStarted):
            started.append(event)

    options = {"storage": tmp_path / "runs", "observer": watch, "retry_failed": True}
    result = resume_sweep("mine", **options)  # type: ignore[arg-type]
    assert started[0].resumed is not None and started[0].resumed.retried == 3
    assert (result.trials.completed, result.trials.failed) == (5, 0)
    run_sweep(config, name="whole", storage=tmp_path / "whole")
    assert outcome(tmp_path / "runs", "mine") == outcome(tmp_path / "whole", "whole")


def test_without_the_option_only_the_others_continue(broken: Path, tmp_path: Path) -> None:
    config = config_of(broken, [0.01, 0.02, 0.03])
    config["resources"]["max_consecutive_failures"] = 2
    broken.write_text("0.01 0.02")
    with pytest.raises(SweepFailed):
        run_sweep(config, name="mine", storage=tmp_path / "runs")
    result = resume_sweep("mine", storage=tmp_path / "runs")
    assert (result.trials.completed, result.trials.failed) == (1, 2)
    assert result.best.trial == "trial-0002"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2}},
        {"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2, "order": "sweep"}},
        {"early_terminate": {"type": "median"}},
        {"repeats": 2},
    ],
    ids=["plain", "hyperband", "in order", "median", "repeats"],
)
def test_a_sweep_that_has_ended_is_opened_again(
    keys: dict[str, Any], broken: Path, tmp_path: Path
) -> None:
    config = config_of(broken, [0.0001, 0.03], **keys)
    broken.write_text("0.03")
    storage = tmp_path / "runs"
    before = run_sweep(config, name="mine", storage=storage)
    assert before.trials.failed == config["sweep"].get("repeats", 1)
    assert before.best.config == {"learning_rate": 0.0001}
    broken.unlink()
    after = resume_sweep("mine", storage=storage, retry_failed=True)
    assert after.trials.failed == 0
    assert after.best.config == {"learning_rate": 0.03}
    run_sweep(config, name="whole", storage=tmp_path / "whole")
    assert outcome(storage, "mine") == outcome(tmp_path / "whole", "whole")
    assert after.promotion == f"best is {after.best.artifact}, was {before.best.artifact}"
    best = stored(storage, "mine").tracker().artifact("trained-model:best-mine")
    assert best.ref == after.best.artifact
    with pytest.raises(UserError, match="has ended"):
        resume_sweep("mine", storage=storage, retry_failed=True)


class Stopped:
    """An observer that lets the user press Ctrl-C when a trial has trained its first epoch."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.state == "running" and event.epoch == 1:
            raise KeyboardInterrupt


def test_one_that_is_stopped_meanwhile_continues_where_it_was(broken: Path, tmp_path: Path) -> None:
    config = config_of(broken, [0.0001, 0.03, 0.01])
    storage = tmp_path / "runs"
    broken.write_text("0.03")
    run_sweep(config, name="mine", storage=storage)
    broken.unlink()
    with pytest.raises(Interrupted, match="resume mine"):
        resume_sweep("mine", storage=storage, retry_failed=True, observer=Stopped())
    with pytest.raises(UserError, match="has no best yet"):
        stored(storage, "mine").result()
    resume_sweep("mine", storage=storage)
    run_sweep(config, name="whole", storage=tmp_path / "whole")
    assert outcome(storage, "mine") == outcome(tmp_path / "whole", "whole")


def test_the_failed_run_is_the_one_that_continues(broken: Path, tmp_path: Path) -> None:
    broken.write_text("0.03")
    run_sweep(config_of(broken, [0.01, 0.03]), name="mine", storage=tmp_path / "runs")
    tracker = stored(tmp_path / "runs").tracker()
    (failed,) = [run for run in runs_by_job(tracker, "mine")["train"] if run.state == "failed"]
    assert failed.error == "ValueError: no loss for 0.03 (fragile.py:15 in epoch)"
    tracker.close()
    broken.unlink()
    resume_sweep("mine", storage=tmp_path / "runs", retry_failed=True)
    tracker = stored(tmp_path / "runs").tracker()
    again = tracker.run(failed.id)
    assert (again.state, again.error) == ("finished", None)
    assert len(again.logged) == 1
    tracker.close()


def test_a_sweep_that_a_budget_ended_is_left_alone(broken: Path, tmp_path: Path) -> None:
    config = config_of(broken, [0.03, 0.01, 0.02], max_epochs_total=4)
    broken.write_text("0.03")
    result = run_sweep(config, name="mine", storage=tmp_path / "runs")
    assert (result.ended_by, result.trials.failed) == ("max_epochs_total", 1)
    before = (tmp_path / "runs" / "mine" / "result.json").read_text()
    with pytest.raises(UserError, match="--retry-failed: mine was ended by its max_epochs_total"):
        resume_sweep("mine", storage=tmp_path / "runs", retry_failed=True)
    assert (tmp_path / "runs" / "mine" / "result.json").read_text() == before


def test_the_command_says_where_nothing_failed(
    broken: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "runs"
    run_sweep(config_of(broken, [0.01]), name="mine", storage=storage)
    capfd.readouterr()
    assert main(["resume", "mine", "--retry-failed", "--storage", str(storage), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["sweep"] == "mine"
    assert "mine has ended already (no trial of it failed): nothing is left to do" in err
