"""Read a sweep's journal as a person asks for it: each trial's state, times, worker and history.

`storage.past` reads the same events to resume a sweep. This reader also takes journals of earlier
versions, which lack the time and the worker of an event: what is unknown is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raysweep.search.spec import TrialSpec

State = Literal["completed", "stopped", "failed", "running", "waiting"]
"""`waiting`: the trial has begun, and no process runs it now: it has given its worker back for a
while, or the sweep's driver is gone."""

Event = Mapping[str, Any]


@dataclass
class TrialTold:
    """What the events say of one trial. Times are Unix times, in seconds."""

    index: int
    values: Mapping[str, Any]
    repeat: int = 0
    state: State = "running"
    started: float | None = None
    ended: float | None = None
    took_s: float | None = None
    """From its start to its end, of the sweep's own time: without a night between two drivers."""
    node: str | None = None
    pid: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    best: Mapping[str, float] | None = None
    restarts: int = 0
    begun: bool = False
    begun_s: float | None = None
    """Of the sweep's own time, when it began; None where an earlier version did not say."""
    failure: Event = field(default_factory=dict)
    """The event that says why it failed: `error`, and maybe `where` and `traceback`."""

    @property
    def name(self) -> str:
        return TrialSpec(self.index, {}).name

    def began(self, event: Event, at: float) -> None:
        """A process runs it, at first or again. Before the first, it had only been suggested."""
        self.state = "running"
        if not self.begun:
            self.started, self.begun, self.begun_s = at, True, event["at"]

    def reported(self, event: Event) -> None:
        """It has reported another epoch; a driver that was resumed may tell of one again."""
        self.state = "running"
        told = event["epochs"]
        del self.history[told - 1 :]
        at = {"epoch": told - 1, "step": event["examples"]}
        self.history.append(at | event["metrics"])
        self.best = event["best"]
        if event.get("values"):  # of a population: they change on the way
            self.values = event["values"]
        self.placed(event)

    def placed(self, event: Event) -> None:
        """An event names the worker where it is another than before."""
        self.node, self.pid = event.get("node", self.node), event.get("pid", self.pid)

    def finished(self, event: Event, at: float | None) -> None:
        """It has ended, one way or the other."""
        self.state, self.ended = event["state"], at
        if self.begun_s is not None:
            self.took_s = max(0.0, event["at"] - self.begun_s)
        self.failure = event if event["state"] == "failed" else {}
        self.placed(event)


class Telling:
    """All that a journal says. `created`: the Unix time of the sweep's record, for journals of
    earlier versions, whose events have only the sweep's own time."""

    def __init__(self, events: Iterable[Event], created: float) -> None:
        self.events = list(events)
        self._first = self.events[0]["at"] if self.events else 0.0
        self._created = created
        self.trials: dict[int, TrialTold] = {}
        for event in self.events:
            self._take(event)

    def time(self, event: Event) -> float:
        """When it happened: a Unix time, in seconds."""
        time: float = event.get("time", self._created + event["at"] - self._first)
        return time

    def of(self, kind: str) -> list[Event]:
        """List the events of one kind, in order."""
        return [event for event in self.events if event["event"] == kind]

    @property
    def started(self) -> float | None:
        """When the sweep's command was given."""
        first = self.events[0] if self.events else None
        return None if first is None else self.time(first) - float(first["at"])

    def ended(self, wall_s: float | None) -> float | None:
        """When the sweep ended, or its last event was. `wall_s`: the sweep's own time at its end,
        where it has a result."""
        if not self.events:
            return None
        last = self.events[-1]
        return self.time(last) + max(0.0, (wall_s or 0.0) - float(last["at"]))

    @property
    def versions(self) -> dict[str, str]:
        """Of what ran: those of the last driver."""
        found: dict[str, str] = {}
        for event in self.events:
            found.update(event.get("versions") or {})
        return found

    def leave(self) -> None:
        """No driver runs them: what has not ended waits."""
        for trial in self.trials.values():
            if trial.state == "running":
                trial.state = "waiting"

    def _take(self, event: Event) -> None:
        kind = event["event"]
        if kind == "resumed":
            self.leave()
        index = event.get("index")
        if index is None:
            return
        if kind == "trial":
            self.trials[index] = trial = TrialTold(
                index,
                event["values"],
                event.get("repeat", 0),
                started=self.time(event),
                begun_s=event["at"],
            )
            return
        trial = self.trials[index]
        if kind == "epoch":
            trial.reported(event)
        elif kind == "begun":
            trial.began(event, self.time(event))
        elif kind == "paused":
            trial.state = "waiting"
        elif kind == "died":
            trial.restarts += 1
        elif kind == "ended":
            trial.finished(event, self.time(event))
        elif kind == "retry":
            self.trials[index] = TrialTold(index, trial.values, trial.repeat, "waiting")
