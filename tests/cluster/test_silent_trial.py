"""Trials of another kind than training, under Ray Tune: a work that reports when it likes, may be
silent for long, and cannot be continued in another process. Nothing of it knows torch."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from raysweep.cluster.resources import trial_resources
from raysweep.cluster.sweep_tracker import open_tracker
from raysweep.config import Config
from raysweep.events import Event, TrialUpdated
from raysweep.search.budget import Budget
from raysweep.search.spec import TrialSpec
from raysweep.storage.journal import Journal, read_journal
from raysweep.storage.past import Past
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import Run, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.context import TrialContext
from raysweep.trials.progress import Progress
from raysweep.trials.reports import TrialReport
from raysweep.trials.tuning import run_trials

METRIC = "validation/loss"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker does not find the tests


class Counting:
    """A work that reports 1/1, 1/2, …, as often as its workload says.

    Then it is silent (`hang`), or has exited (`exit`), which may be seen a little after the report
    (`exit later`). Or the first process is killed before the last report, and the second one says
    that it is the last (`die`).
    """

    def __init__(self, kind: Workload, spec: TrialSpec) -> None:
        self._kind = kind
        self._spec = spec
        self._count = 0
        self._exited = False
        self._run: Run | None = None

    def run_config(self) -> Mapping[str, Any]:
        return {"trial": self._spec.name}

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        raise AssertionError("it gave no state")

    def start(self, run: Run) -> None:
        self._run = run
        self._kind.note("started")

    def next(self, deadline_s: float) -> TrialReport | None:
        assert self._run is not None
        first = self._kind.notes("started") == 1
        if self._kind.then == "die" and self._count == self._kind.reports - 1 and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._count == self._kind.reports:
            if self._kind.then == "exit later":
                self._exited = True
            else:
                time.sleep(deadline_s)
            return None
        self._count += 1
        metrics = {METRIC: 1 / self._count}
        self._run.log(metrics, step=self._count - 1)
        self._run.flush()
        last = self._kind.then == "die" and self._count == self._kind.reports
        return TrialReport(self._count, self._count - 1, metrics, metrics, last)

    @property
    def ended(self) -> bool:
        over = self._count == self._kind.reports
        return over and (self._kind.then == "exit" or self._exited)

    def snapshot(self) -> None:
        return None

    @property
    def keeps_rows(self) -> bool:
        return False

    def offer_again(self, report: TrialReport) -> None:
        raise AssertionError("it offered nothing")

    def stop(self, grace_s: float) -> None:
        self._kind.note("stopped")

    def finish(self, *, stopped: bool) -> None:
        assert self._run is not None
        self._run.summarize({"stopped": stopped})


@dataclass(frozen=True)
class Workload:
    """Opens `Counting`. `then`: what becomes of it after `reports`. What its processes do they note
    in `folder`."""

    folder: Path
    reports: int
    then: str

    def open(self, context: TrialContext, spec: TrialSpec) -> Counting:
        return Counting(self, spec)

    def is_worth_another_process(self, error: BaseException) -> bool:
        return False

    def most_epochs(self, config: Config) -> None:
        return None

    def grace_s(self, config: Config) -> float:
        return 1.0

    def note(self, what: str) -> None:
        with (self.folder / what).open("a") as file:
            file.write("x")

    def notes(self, what: str) -> int:
        path = self.folder / what
        return len(path.read_text()) if path.exists() else 0


@dataclass
class Sweep:
    """The outcome of a sweep of one such trial."""

    workload: Workload
    progress: Progress
    journal: Path
    tracker: Tracker
    run: str
    events: list[TrialUpdated] = field(default_factory=list)

    @property
    def told(self) -> list[int]:
        """List the reports in the journal."""
        return [e["epochs"] for e in read_journal(self.journal) if e["event"] == "epoch"]


@contextmanager
def swept(
    folder: Path,
    workload: Workload,
    clock: Callable[[list[TrialUpdated]], float] = lambda events: 0.0,
    **sweep: Any,
) -> Iterator[Sweep]:
    """Run it through Tune. `clock` maps the events so far to the sweep's own time, in seconds."""
    parameters = {"learning_rate": {"values": [0.01]}}
    config = Config.from_dict(
        {
            "resources": {"cpus": 1},
            "sweep": {
                "method": "grid",
                "parameters": parameters,
                "metric": {"name": METRIC, "goal": "minimize"},
                **sweep,
            },
        }
    )
    place = SweepFolder(folder / "sweep")
    place.path.mkdir()
    identity = SweepIdentity("quiet", "quiet-id", ())
    tracker, store, checkpoints = open_tracker("trackio", folder / "store", "p", None, place)
    events: list[TrialUpdated] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated):
            events.append(event)

    resources = trial_resources(config, 1)
    try:
        with closing(Journal(place.journal)) as journal:
            progress = Progress(config, watch, journal, checkpoints.forget)
            context = TrialContext(
                sweep=identity,
                tracker=tracker,
                config=config,
                versions=lambda config: pytest.fail("it starts from nothing"),
                inputs=folder / "inputs",
                metric=METRIC,
                goal="minimize",
                threads=1,
                gpus=0,
                checkpoints=checkpoints,
            )
            budget = Budget(config.sweep, 0, lambda: clock(events))
            run_trials(workload, context, resources, progress, budget, journal, Past(), place.tune)
        name = identity.run_id("trial-0000")
        yield Sweep(workload, progress, place.journal, tracker, name, events)
    finally:
        tracker.close()
        store.stop()


def test_max_time_ends_a_trial_that_is_silent(two_cpus: None, tmp_path: Path) -> None:
    """Time is up once it has reported, and it never reports again."""

    def clock(events: list[TrialUpdated]) -> float:
        return math.inf if events and events[-1].epoch else 0.0

    started = time.monotonic()
    workload = Workload(tmp_path, reports=1, then="hang")
    with swept(tmp_path, workload, clock, max_time=3600) as sweep:
        (row,) = sweep.progress.trials
        assert (row.state, row.epoch, row.best) == ("stopped", 1, {METRIC: 1.0})
        assert workload.notes("stopped") == 1, "it was asked to stop, in its own process"
        run = sweep.tracker.run(sweep.run)
        assert (run.state, run.summary["stopped"]) == ("finished", True)
    assert time.monotonic() - started < 120, "without that it hangs for good"


def test_max_time_ends_a_trial_that_has_never_reported(two_cpus: None, tmp_path: Path) -> None:
    workload = Workload(tmp_path, reports=0, then="hang")

    def clock(events: list[TrialUpdated]) -> float:
        return math.inf if workload.notes("started") else 0.0

    with swept(tmp_path, workload, clock, max_time=3600) as sweep:
        (row,) = sweep.progress.trials
        assert (row.state, row.epoch, row.best) == ("stopped", 0, None)
        assert sweep.tracker.run(sweep.run).state == "finished"


def test_a_trial_whose_process_is_killed_starts_again_and_reports_nothing_twice(
    two_cpus: None, tmp_path: Path
) -> None:
    """It is killed when the driver has two reports; they are made again, in the same run."""
    workload = Workload(tmp_path, reports=3, then="die")
    with swept(tmp_path, workload) as sweep:
        (row,) = sweep.progress.trials
        assert (row.state, row.epoch, row.restarts) == ("completed", 3, 1)
        assert workload.notes("started") == 2
        assert sweep.told == [1, 2, 3]
        running = [each.epoch for each in sweep.events if each.state == "running"]
        assert running == sorted(running)
        history = sweep.tracker.history(sweep.run)
        assert [each["step"] for each in history] == [0, 1, 2], "no row is there twice"
        assert workload.notes("stopped") == 0


@pytest.mark.parametrize("then", ["exit", "exit later"])
def test_a_trial_that_exits_after_its_last_report_has_completed(
    two_cpus: None, tmp_path: Path, then: str
) -> None:
    """The report was not marked as the last one."""
    workload = Workload(tmp_path, reports=2, then=then)
    with swept(tmp_path, workload) as sweep:
        (row,) = sweep.progress.trials
        assert (row.state, row.epoch, row.best) == ("completed", 2, {METRIC: 0.5})
        assert sweep.told == [1, 2]
        assert sweep.tracker.run(sweep.run).summary["stopped"] is False
        assert workload.notes("stopped") == 0
