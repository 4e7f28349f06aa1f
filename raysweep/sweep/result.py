"""The result of a sweep, as an object and as `result.json`."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from raysweep.events import PLAIN, Display, TrialUpdated, WarmStarted
from raysweep.search.budget import EndedBy
from raysweep.search.repeats import Configuration, rank_configurations
from raysweep.selection import Goal, without_nan
from raysweep.storage.storage import Storage
from raysweep.storage.sweep_folder import LOGS

if TYPE_CHECKING:
    import pandas as pd

    from raysweep.sweep.view import SweepState

R = TypeVar("R", bound="StoredResult")

SHOWN = 10
"""Trials of the table that a notebook shows."""


@dataclass(frozen=True)
class TrialCounts:
    """How the trials ended. Scheduler or budget ended a stopped one early; it may win."""

    total: int
    completed: int
    stopped: int
    failed: int

    @staticmethod
    def of(trials: list[TrialUpdated]) -> TrialCounts:
        states = [trial.state for trial in trials]
        return TrialCounts(
            total=len(states),
            completed=states.count("completed"),
            stopped=states.count("stopped"),
            failed=states.count("failed"),
        )


@dataclass(frozen=True)
class Best:
    """The winner: its trial, its artifact (`trained-model:vK`; None if it logged none), its swept
    values, and the metrics of its best epoch.

    `mean` and `std` are the sweep's metric over the finished `repeats` of its configuration; for a
    single trial, its value and None.
    """

    trial: str
    artifact: str | None
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    repeats: int = 1
    mean: float | None = None
    std: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to its part of `result.json`."""
        return {
            "trial": self.trial,
            "artifact": self.artifact,
            "config": dict(self.config),
            "metrics": without_nan(self.metrics),
            "repeats": self.repeats,
            "mean": self.mean,
            "std": self.std,
        }


@dataclass(frozen=True)
class FailedTrial:
    """A trial that failed: the exception in one line, the file and line of the user's innermost
    frame, the traceback with the frames of libraries folded, and its log, in the sweep's folder. A
    process that was killed leaves neither `where` nor `traceback`."""

    trial: str
    error: str
    where: str | None
    traceback: str | None = field(repr=False)
    log: str


class Scores(dict[str, float]):
    """The winner's scores on the test split, by name; also as attributes: `scores.accuracy`.

    The built-in evaluation's are `loss` (mean cross-entropy, nats) and `accuracy` (percent).
    """

    def __getattr__(self, name: str) -> float:
        if name in self:
            return self[name]
        raise AttributeError(f"no score {name}; there are {', '.join(self) or 'none'}")


@dataclass(frozen=True, repr=False)
class StoredResult:
    """What a storage has of a sweep; in a notebook it shows itself as a table. That of a sweep with
    a best is a SweepResult. Before that `best` is None, `ended_by` is None unless a target or the
    budget was reached, `test` is empty, and `rows` says how the trials stand. A sweep without a
    metric never has a best.

    `artifacts`: the name of each input → its version.
    `ended_by`: `completed` after all trials, else `target` or the budget that ended the sweep.
    `repeats`: trials per configuration. `warm_start`: what the sampler got from earlier sweeps.
    `promoted`: whether the alias `best` is now the winner's; `promotion` says so in one line, or
    why not. `folder` and `model_path` are paths, or URIs if the storage is at a URI. Without a
    model `model_path` is None; without a test score `test` is empty.
    `display`: how a terminal shows it.
    `links`: pages at the tracker's server, of the `project` and of the runs of `best` and `report`.
    `unsent`: runs that did not reach W&B completely; `sync` sends them.
    `state`: as `list` shows it; `ended` has a best, unless `metric` is empty: it has none then.
    """

    sweep: str
    project: str
    tracker: str
    artifacts: Mapping[str, str]
    cached_stages: tuple[str, ...]
    trials: TrialCounts
    best: Best | None
    test: Scores
    wall_s: float
    folder: Path | str
    model_path: Path | str | None
    promotion: str
    metric: str
    goal: Goal
    rows: tuple[TrialUpdated, ...] = field(repr=False)
    links: Mapping[str, str] = field(default_factory=dict)
    unsent: tuple[str, ...] = ()
    ended_by: EndedBy | None = None
    repeats: int = 1
    warm_start: WarmStarted | None = None
    promoted: bool = True
    display: Display = field(default=PLAIN, repr=False)
    state: SweepState = "ended"
    reports: Mapping[str, Sequence[Mapping[str, Any]]] | None = field(default=None, compare=False)
    """Trial → its reports, where they have been read already; `histories` has them as a table."""

    @property
    def leaderboard(self) -> pd.DataFrame:
        """One row per trial, best first: name, state, trained epochs, the best epoch's metrics, the
        swept values, and the error. With repeats also the number of the repeat, and the mean and
        standard deviation of its configuration."""
        import pandas as pd

        return pd.DataFrame(
            [
                leaderboard_row(row) | (_of_repeats(row, configuration) if self.repeats > 1 else {})
                for configuration, rows in self.configurations()
                for row in rows
            ]
        )

    @property
    def histories(self) -> pd.DataFrame:
        """A row a report of each trial, in the order of the sweep: `trial`, `epoch` (from 0),
        `step` (of the trial's run) and its metrics. They are read from the sweep's folder."""
        import pandas as pd

        reports = self.reports
        if reports is None:
            from raysweep.sweep.view import load_view

            place, _, name = str(self.folder).rpartition("/")
            reports = {trial.trial: trial.history for trial in load_view(place, name).trials}
        rows = [{"trial": trial, **row} for trial, found in reports.items() for row in found]
        return pd.DataFrame(rows, columns=None if rows else ["trial", "epoch", "step"])

    @property
    def failures(self) -> list[FailedTrial]:
        """The trials that failed, in the order of the sweep."""
        return [
            FailedTrial(row.name, row.error, row.where, row.traceback, f"{LOGS}/{row.name}.log")
            for row in self.rows
            if row.error is not None
        ]

    def __repr__(self) -> str:
        counts = self.trials
        state = "" if self.state == "ended" else f"{self.state}, "
        trials = f"{counts.total} trial{'s' * (counts.total != 1)}"
        return (
            f"{type(self).__name__}({self.sweep!r}: {state}{trials} ({counts.completed} completed, "
            f"{counts.stopped} stopped early, {counts.failed} failed) in {self.wall_s:.0f} s; "
            f"{self._winner()}; folder {str(self.folder)!r})"
        )

    def _winner(self) -> str:
        if self.best is None:
            return "no best"
        scores = "".join(f", test {name} {value:.4g}" for name, value in self.test.items())
        return (
            f"best {self.best.artifact or 'without a model'} of {self.best.trial}, "
            f"{self.metric} {self.best.metrics.get(self.metric, math.nan):.4g}{scores}"
        )

    def _repr_html_(self) -> str:
        """Show the ten best trials in a notebook, below the headline."""
        more = f"<p>… {len(self.rows) - SHOWN} more</p>" if len(self.rows) > SHOWN else ""
        # With `float_format`, as `to_html` would write 0.00003 as 0.0.
        table = self.leaderboard.head(SHOWN).to_html(
            float_format="{:.4g}".format, na_rep="", border=0
        )
        return f"<p>{html.escape(repr(self))}</p>\n{table}\n{more}"

    def ranked(self) -> list[TrialUpdated]:
        """Rank the trials, best first, those of a configuration together. Trials that cannot win
        come last."""
        return [row for _, rows in self.configurations() for row in rows]

    def configurations(self) -> list[tuple[Configuration, list[TrialUpdated]]]:
        """Rank the configurations, best first, each with its trials, best first. Before the sweep's
        end, a trial that has not ended counts as if it ended now."""
        by_index = {row.index: row for row in self.rows}
        so_far = self.state != "ended"
        candidates = [row.candidate(so_far=so_far) for row in self.rows]
        return [
            (each, [by_index[trial.index] for trial in each.trials])
            for each in rank_configurations(candidates, self.metric, self.goal, self.repeats)
        ]

    def at(self: R, storage: Storage) -> R:
        """Return the same with paths as the user knows them: a working copy is deleted later."""
        model = None if self.model_path is None else storage.shown_path(Path(self.model_path))
        return replace(self, folder=storage.shown_path(Path(self.folder)), model_path=model)

    def to_json(self) -> dict[str, Any]:
        """Convert to the contract of `result.json` and `run --json`."""
        return {
            "sweep": self.sweep,
            "project": self.project,
            "tracker": self.tracker,
            "artifacts": dict(self.artifacts),
            "cached_stages": list(self.cached_stages),
            "trials": vars(self.trials).copy(),
            "failures": [
                {"trial": each.trial, "error": each.error, "where": each.where, "log": each.log}
                for each in self.failures
            ],
            "best": None if self.best is None else self.best.to_json(),
            "test": None if self.best is None else without_nan(self.test),
            "promoted": self.promoted,
            "promotion": self.promotion,
            "ended_by": self.ended_by,
            "warm_start": None if self.warm_start is None else self.warm_start.to_json(),
            "links": dict(self.links),
            "unsent": list(self.unsent),
            "wall_s": round(self.wall_s, 3),
        }


@dataclass(frozen=True, repr=False)
class SweepResult(StoredResult):
    """The result of a sweep that has a best. See StoredResult."""

    best: Best
    ended_by: EndedBy = "completed"


def leaderboard_row(trial: TrialUpdated) -> dict[str, Any]:
    """Make one flat row of a trial. A metric with the name of another column is `metrics/NAME`."""
    about = {"trial": trial.name, "state": trial.state, "trained_epochs": trial.epoch}
    taken = {*about, *trial.overrides, "error", "repeat", "mean", "std"}
    best = trial.best or {}
    metrics = {f"metrics/{name}" if name in taken else name: best[name] for name in best}
    return {**about, **metrics, **trial.overrides, "error": trial.error}


def _of_repeats(trial: TrialUpdated, configuration: Configuration) -> dict[str, Any]:
    return {"repeat": trial.repeat, "mean": configuration.mean, "std": configuration.std}
