"""The events that a sweep sends to its observer: plain values, so that a terminal needs no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from raysweep.selection import Candidate, Goal

TrialState = Literal["running", "completed", "stopped", "failed"]


@dataclass(frozen=True)
class Display:
    """How a terminal shows a sweep of one kind of trials. The defaults suit any kind.

    `step`: what a report is called; `percent`: whether metrics called accuracy are percent, and the
    others have four decimals; `columns`: metrics that a leaderboard shows besides the sweep's, if
    trials report them; `hidden`: metrics of the winner that `best` does not show; `preparing`: what
    happens before the first trial, up to the end of the stage `last_stage`; `scored_on`: on what
    the winner is scored, ` on the test split`; `goes_on`: what a trial does in another process,
    and what trials do in a sweep that is resumed; `fixed`: parameters that have one value, and the
    same for all trials, so that it is said once.
    """

    step: str = "report"
    percent: bool = False
    columns: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    preparing: str = ""
    last_stage: str | None = None
    scored_on: str = ""
    goes_on: tuple[str, str] = ("continues", "continue")
    fixed: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Display()


@dataclass(frozen=True)
class Resumed:
    """A sweep was resumed. `ended`: trials that had ended; `under_way`: trials that continue;
    `retried`: failed trials that run again. `changed`: lines about what may change the weights."""

    ended: int
    under_way: int
    changed: tuple[str, ...] = ()
    retried: int = 0


@dataclass(frozen=True)
class SweepStarted:
    """Ray is running and the data is available; `warning` says if it is a fallback.

    `notices` are lines about the config. `url` is the project's page at the tracker's server.
    `repeats`: trials per configuration. `may_end_early`: a target, or a budget of time or epochs,
    may end it before its last trial. `epochs`: the most of a trial, where that is known.
    `display`: how to show it.
    """

    sweep: str
    folder: Path
    tracker: str
    reason: str
    trials: int
    epochs: int | None
    concurrent: int
    cpus: float
    gpus: float
    metric: str
    goal: Goal
    url: str | None = None
    warning: str | None = None
    repeats: int = 1
    may_end_early: bool = False
    notices: tuple[str, ...] = ()
    resumed: Resumed | None = None
    display: Display = PLAIN


@dataclass(frozen=True)
class StageBegun:
    """A stage that takes its time has begun."""

    stage: str


@dataclass(frozen=True)
class StageFinished:
    """A stage returned `ref`, newly made or reused from the cache; empty where it returned nothing.
    `more`: what else it returned, or for other settings that trials ask for, where stages depend on
    what is swept."""

    stage: str
    ref: str
    cached: bool
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class WarmStarted:
    """The sampler got `taken` trials of the earlier `sweeps`. `passed_over`: reason → number of
    trials that were skipped for it."""

    sweeps: tuple[str, ...]
    taken: int
    passed_over: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Convert to its part of `result.json`."""
        return {
            "sweeps": list(self.sweeps),
            "taken": self.taken,
            "passed_over": dict(self.passed_over),
        }


@dataclass(frozen=True)
class TrialUpdated:
    """A trial started, finished an epoch (or reported) or ended. `epoch` counts those, `epochs` how
    many there will be, where that is known; `repeat`, from
    0, the trials of its configuration. `cloned` says, in a population, how it goes on if not as it
    was: the `parent`, its `checkpoint`, and the new `values`. `restarts`: how often its process
    died, and it went on in another. Of one that failed, `error` is the exception in one line,
    `where` the file and line of the user's innermost frame (`/home/me/nets.py:12`), and `traceback`
    the traceback, with the frames of libraries folded.
    """

    index: int
    name: str
    state: TrialState
    overrides: Mapping[str, Any]
    epoch: int
    epochs: int | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] | None = None
    error: str | None = None
    repeat: int = 0
    cloned: Mapping[str, Any] | None = None
    restarts: int = 0
    where: str | None = None
    traceback: str | None = None

    def candidate(self, *, so_far: bool = False) -> Candidate:
        """Convert for selection; with `so_far`, treat a running trial as if it ended now."""
        finished = self.state in ("completed", "stopped") or (so_far and self.state == "running")
        return Candidate(self.index, finished, self.best, self.repeat)


@dataclass(frozen=True)
class Evaluating:
    """All trials have ended; the winner's model (`name:vK`; None where it has none) is being scored
    on the test split, or whatever else `doing` says is done with it."""

    trial: str
    ref: str | None
    doing: str = "evaluating"


@dataclass(frozen=True)
class ClusterNotice:
    """A line about what the sweep waits for in the cluster, or has got. It may come before
    SweepStarted."""

    text: str


Event = (
    ClusterNotice
    | SweepStarted
    | StageBegun
    | StageFinished
    | WarmStarted
    | TrialUpdated
    | Evaluating
)


class Observer(Protocol):
    """Called with every event, in the driver's process, in order."""

    def __call__(self, event: Event) -> None: ...


def silent(event: Event) -> None:
    """Ignore the event: the default observer."""
