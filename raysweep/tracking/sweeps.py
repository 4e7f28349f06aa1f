"""Sweeps that W&B's agents run: what is kept of one, and the ports to what keeps and decides it.

A sweep is its config and a log of events. A process that serves it repeats the log, and so knows
what was handed out, what came of it, and what to tell the sampler. It may be one process after
another, or two at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from raysweep.tracking.port import Json, RunState

Goal = Literal["minimize", "maximize"]
Values = Mapping[str, Json]
Event = Mapping[str, Json]


@dataclass(frozen=True)
class Metric:
    """A number of a run's summary, and whether less of it is better."""

    name: str
    goal: Goal


@dataclass(frozen=True)
class KeptSweep:
    """A sweep: its config as YAML, as its client sent it, and when it was made (ISO, UTC)."""

    id: str
    config: str
    created: str


class Book(Protocol):
    """Keeps a project's sweeps. Methods raise TrackingError if that fails."""

    def create(self, sweep: KeptSweep) -> None:
        """Keep a new sweep."""
        ...

    def sweeps(self) -> list[KeptSweep]:
        """Return all sweeps, the oldest first."""
        ...

    def events(self, sweep: str, start: int = 0) -> list[dict[str, Json]]:
        """Return the sweep's events from number `start` on."""
        ...

    def append(self, sweep: str, number: int, event: Event) -> bool:
        """Append the event as this number. False: another process has appended one before."""
        ...


class Search(Protocol):
    """What decides a sweep: its values, and which runs stop early. `expected`: how many
    configurations there are at most; None: no end."""

    expected: int | None
    metric: Metric | None
    """By what its runs are judged; None: by nothing."""

    def next(self) -> Values | None:
        """Return the next configuration; None if none is left."""
        ...

    def next_again(self, values: Values) -> Values:
        """Repeat a `next` that returned these values, in this process or an earlier one."""
        ...

    def tell(self, number: int, score: float | None) -> None:
        """Record the score of configuration `number`; None if it failed."""
        ...

    def report(self, run: str, row: Mapping[str, Json]) -> bool:
        """Record a row of a run's history. Returns whether the run is to stop."""
        ...

    def forget(self, run: str) -> None:
        """Forget the rows of a run that was cut short."""
        ...

    def score(self, summary: Mapping[str, Json]) -> float | None:
        """Return the number by which a run with this summary is judged; None: it has none."""
        ...

    def arguments(self, values: Values) -> dict[str, Json]:
        """Return the values as a program gets them: nested where the sweep's config nests."""
        ...


@dataclass
class Assigned:
    """A run that an agent was given. `number`: its configuration's; `by`: the process that gave it;
    `ended`: it is over, with `score`, or None where it has none; `failed`: as its program says, or
    without a word; `cut`: it was cut short, and its configuration is handed out again."""

    run: str
    number: int
    by: str
    ended: bool = False
    failed: bool = False
    score: float | None = None
    cut: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it may still come to an end."""
        return not self.ended and not self.cut

    @property
    def state(self) -> str:
        """ended, failed, running, or cut short."""
        if not self.ended:
            return "cut short" if self.cut else "running"
        return "failed" if self.failed else "ended"


def end_of(run: str, state: RunState, score: float | None, *, rows: bool) -> dict[str, Json]:
    """Make the event of a run's end. `rows`: it may have logged some."""
    return {"type": "end", "run": run, "state": state, "score": score, "rows": rows}


@dataclass
class Standing:
    """How a sweep stands after the events that were applied. `count`: how many. `waiting`: the
    numbers of configurations to hand out again. `state`: as the user set it last."""

    count: int = 0
    values: list[Values] = field(default_factory=list)
    runs: dict[str, Assigned] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    state: str | None = None

    def apply(self, event: Event) -> None:
        """Take over the next event."""
        self.count += 1
        match event["type"]:
            case "run":
                number = int(event["number"])
                if number == len(self.values):
                    self.values.append(event["values"])
                elif number in self.waiting:
                    self.waiting.remove(number)
                self.runs[event["run"]] = Assigned(event["run"], number, event["by"])
            case "end":
                run = self.runs[event["run"]]
                run.ended, run.score = True, event["score"]
                without = "finished" if run.score is not None else "failed"
                run.failed = event.get("state", without) != "finished"  # not in earlier logs
            case "cut":
                run = self.runs[event["run"]]
                run.cut = True
                self.waiting.append(run.number)
            case "state":
                self.state = event["state"]

    def ranked(self, metric: Metric | None) -> list[Assigned]:
        """Return the runs that were not cut short: the best first, then those without a score."""
        sign = -1 if metric is not None and metric.goal == "maximize" else 1

        def key(run: Assigned) -> tuple[bool, float]:
            return run.score is None, sign * (run.score or 0.0)

        return sorted((run for run in self.runs.values() if not run.cut), key=key)

    def best(self, metric: Metric | None) -> Assigned | None:
        """Return the run with the best score, the earliest of those; None if none has one."""
        if metric is None:
            return None
        return next((run for run in self.ranked(metric) if run.score is not None), None)

    def summary(
        self, sweep: KeptSweep, config: Mapping[str, Any], metric: Metric | None
    ) -> dict[str, Json]:
        """Return what is shown of it: `id`, `name`, `method`, `runs`, `metric`, `goal` and
        `best` (`run`, `score`, `values`; None if no run has a score)."""
        best = self.best(metric)
        found = best and {
            "run": best.run,
            "score": best.score,
            "values": dict(self.values[best.number]),
        }
        return {
            "id": sweep.id,
            "name": config.get("name"),
            "created": sweep.created,
            "method": config.get("method"),
            "runs": sum(not run.cut for run in self.runs.values()),
            "metric": None if metric is None else metric.name,
            "goal": None if metric is None else metric.goal,
            "best": found,
        }
