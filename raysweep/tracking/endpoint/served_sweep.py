"""Sweeps whose runs W&B's agents start: what an agent is told at each of its heartbeats.

The agents' client asks every 5 s, names the runs that it has going, and is given a run where it has
none. Our search decides the values (`Search`, from the layers above); the project's book keeps each
decision before the agent knows of it, so that another process can continue the sweep.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import yaml

from raysweep.errors import RaysweepError, TrackingError
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import LiveRun, new_run_id
from raysweep.tracking.endpoint.processes import is_alive, process_of
from raysweep.tracking.port import STALE_ERRORS, Json
from raysweep.tracking.store import Store
from raysweep.tracking.sweeps import Assigned, Book, KeptSweep, Search, Standing, end_of

GRACE_S = 30.0
"""Seconds that a command which falls behind has to end by itself: its client asks every 15 s, and
raises KeyboardInterrupt. Then its agent is told to send SIGTERM. The client does not raise it in an
agent's function, so such an agent is told at once, and raises an exception there."""

LOST_AFTER_S = 30.0
"""Seconds after which a run that was told to stop, and that its agent does not name any more, is
over though its client has not said so."""

STATES = ("RUNNING", "PAUSED", "CANCELED", "FINISHED")


@dataclass
class Agent:
    """An agent. `host` is its machine's name."""

    id: str
    host: str
    created: str
    runs: list[str] = field(default_factory=list)
    heartbeat: str = ""


@dataclass
class Sweep:
    """A sweep. `live`: the project's runs whose programs talk to this endpoint; `interrupted`:
    whether the user ends them all. Hold the endpoint's lock while you use it."""

    kept: KeptSweep
    store: Store
    live: Mapping[str, LiveRun]
    book: Book
    make_search: Callable[[str], Search]
    interrupted: Callable[[], bool]
    agents: dict[str, Agent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config: dict[str, Any] = yaml.safe_load(self.kept.config) or {}
        self._me = process_of(os.getpid())
        self.is_ours = False  # made here, or an agent came here for it
        self._told_to_stop: dict[str, float] = {}
        self._named: set[str] = set()
        self._served = False
        self._start_over()

    def _start_over(self) -> None:
        self.standing = Standing()
        self._search: Search | None = None

    @property
    def search(self) -> Search:
        """What decides it, which knows all that has happened so far."""
        if self._search is None:
            self._search = self.make_search(self.kept.config)
        return self._search

    # ---- what the client asks ----

    def register(self, agent: Agent) -> None:
        """Take note of an agent. Raises Refusal for a sweep that cannot be decided any more."""
        try:
            self.catch_up()
        except RaysweepError as error:
            raise Refusal(f"sweep {self.kept.id}: {error}") from error
        self.agents[agent.id] = agent
        self.is_ours = True

    def heartbeat(self, agent: Agent, going: set[str]) -> list[dict[str, Json]]:
        """Return what the agent is to do; `going`: the runs that it says are going."""
        agent.heartbeat = now()
        self._named |= going
        self.catch_up()
        self._end_what_is_over(agent, going)
        if self.standing.state == "CANCELED":
            return [{"type": "exit"}]
        late = [run for run in going if self._is_late(run)]
        if going:
            return [{"type": "stop", "run_id": run} for run in late]
        if self.standing.state == "PAUSED":
            return []
        given = None if self.standing.state == "FINISHED" else self._hand_out()
        if given is None:
            return [{"type": "exit"}]
        agent.runs.append(given.run)
        values = self.search.arguments(self.standing.values[given.number])
        return [
            {
                "type": "run",
                "run_id": given.run,
                "run_name": given.run,
                "program": self.config.get("program"),
                "args": {name: {"value": value} for name, value in values.items()},
            }
        ]

    def set_state(self, state: str) -> None:
        """Set the state that a user chose."""
        if state not in STATES:
            raise Refusal(f"sweep {self.kept.id}: {state}: no such state; {', '.join(STATES)}")
        event = {"type": "state", "state": state}
        while not self.book.append(self.kept.id, self.look().count, event):
            pass

    def look(self) -> Standing:
        """Return how it stands now."""
        if self._served:
            self.catch_up()
            return self.standing
        standing = Standing()
        for event in self.book.events(self.kept.id):
            standing.apply(event)
        return standing

    def state(self, standing: Standing) -> str:
        """Return PENDING, RUNNING or FINISHED, unless a user has set another."""
        if standing.state not in (None, "RUNNING"):
            return str(standing.state)
        if any(run.is_open for run in standing.runs.values()) or standing.waiting:
            return "RUNNING"
        if self.expected is not None and len(standing.values) >= self.expected:
            return "FINISHED"
        return "RUNNING" if standing.runs else "PENDING"

    @property
    def expected(self) -> int | None:
        """How many runs there will be at most; None: no end."""
        with suppress(RaysweepError):
            return self.search.expected
        return None

    def summary(self) -> dict[str, Any]:
        """Return what is shown of it: see Standing."""
        metric = None
        with suppress(RaysweepError):  # a config that this version takes no more
            metric = self.search.metric
        return self.look().summary(self.kept, self.config, metric)

    # ---- what happens meanwhile ----

    def heard(self, run: str, row: Mapping[str, Json]) -> bool:
        """Record a row of a run's history. Returns whether the run is to stop, from now on."""
        if run in self._told_to_stop or not self.search.report(run, row):
            return False
        self._told_to_stop[run] = time.monotonic()
        return True

    def close(self) -> None:
        """Record, when all programs are over, what was cut short: another agent gets it again."""
        if self._served:
            self.catch_up()
            for run in self._open_here():
                if run.run in self._told_to_stop:  # on time, and it has a score
                    self._end(run, self.live.get(run.run))
                else:
                    self._recorded({"type": "cut", "run": run.run})

    def catch_up(self) -> None:
        """Take over what other processes have recorded, and what has ended here. At first also
        hand back what a process that is gone had going."""
        while True:
            anew = self.standing.count == 0
            for event in self.book.events(self.kept.id, self.standing.count):
                self._repeat(event)
            for run in self._open_here() if anew else ():
                self._repeat_rows(run.run)
            if self._settled() and (self._served or self._took_over()):
                self._served = True
                return

    def _settled(self) -> bool:
        """Record the runs that have ended here since. False: another process was first."""
        for run in self._open_here():
            live = self.live.get(run.run)
            if live is not None and live.state != "running" and not self._end(run, live):
                return False
        return True

    def _took_over(self) -> bool:
        """Record what has become of the runs whose process is gone. False: another was first."""
        for run in list(self.standing.runs.values()):
            if run.is_open and run.by != self._me and not is_alive(run.by):
                record = next(iter(self.store.runs(run_id=run.run)), None)
                event: dict[str, Json] = {"type": "cut", "run": run.run}
                score = None
                if record is not None and record.state == "finished":
                    score = self.search.score(record.summary)
                    event = end_of(run.run, "finished", score, rows=True)
                if not self.book.append(self.kept.id, self.standing.count, event):
                    self._start_over()
                    return False
                if record is not None and record.state == "running":
                    error = STALE_ERRORS["crashed"]
                    self.store.update_run(run.run, {}, "crashed", error)
                self._repeat(event)
        return True

    def _repeat(self, event: Mapping[str, Json]) -> None:
        """Take over an event of another process, or of this one after a conflict."""
        new = event["type"] == "run" and event["number"] == len(self.standing.values)
        self.standing.apply(event)
        if new:
            self.search.next_again(event["values"])
        elif event["type"] == "end":
            if event["rows"]:
                self._repeat_rows(event["run"])
            self.search.tell(self.standing.runs[event["run"]].number, event["score"])
        elif event["type"] == "cut":
            self.search.forget(event["run"])

    def _repeat_rows(self, run: str) -> None:
        with suppress(TrackingError):  # its run was removed, or has not begun
            for row in self.store.history(run):
                self.search.report(run, row)

    def _recorded(self, event: Mapping[str, Json]) -> bool:
        """Append an event. False: another process was first, so that all is to be repeated."""
        if not self.book.append(self.kept.id, self.standing.count, event):
            self._start_over()
            return False
        self.standing.apply(event)
        return True

    def _hand_out(self) -> Assigned | None:
        """Give a run to an agent: a configuration that was cut short, else the next one; None if
        there is none left."""
        while True:
            self.catch_up()
            if self.standing.waiting:
                number = self.standing.waiting[0]
                values = self.standing.values[number]
            else:
                number = len(self.standing.values)
                expected = self.search.expected
                found = None
                if expected is None or number < expected:
                    found = self.search.next()
                if found is None:
                    return None
                values = found
            run = new_run_id()
            event = {"type": "run", "run": run, "number": number, "by": self._me}
            if self._recorded({**event, "values": dict(values)}):
                return self.standing.runs[run]

    def _end_what_is_over(self, agent: Agent, going: set[str]) -> None:
        """End what the agent has going no more. A function that was told to stop is not named any
        more, and may still come to its end."""
        for run in self._open_here():
            if run.run not in agent.runs or run.run in going:
                continue
            told = self._told_to_stop.get(run.run)
            if told is not None and time.monotonic() < told + LOST_AFTER_S:
                continue
            live = self.live.get(run.run)
            if live is not None and live.state == "running":
                live.crash()
            self._end(run, live)

    def _end(self, run: Assigned, live: LiveRun | None) -> bool:
        """Record the run's end. False: another process was first."""
        stopped = run.run in self._told_to_stop
        failed = live is None or (live.state != "finished" and not stopped)
        if (failed and self.interrupted()) or (live is None and self._may_be_lost(run)):
            return self._recorded({"type": "cut", "run": run.run})
        if live is not None and stopped:
            live.end(0)
        score = None if failed or live is None else self.search.score(live.summary)
        state = "failed" if live is None else live.state
        if not self._recorded(end_of(run.run, state, score, rows=live is not None)):
            return False
        self.search.tell(run.number, score)
        return True

    def _may_be_lost(self, run: Assigned) -> bool:
        """Whether the agent may not know of a run that never began: the answer that gave it was
        lost, and the client asked again. A script that fails before its `wandb.init`, within an
        agent's 5 s, looks alike: so that its values are tried twice, not for ever."""
        before = (each for each in self.standing.runs.values() if each.number == run.number)
        return run.run not in self._named and not any(each.cut for each in before)

    def _open_here(self) -> list[Assigned]:
        runs = self.standing.runs.values()
        return [run for run in runs if run.is_open and run.by == self._me]

    def _is_late(self, run: str) -> bool:
        told = self._told_to_stop.get(run)
        commands = self.config.get("program") or self.config.get("command")
        return told is not None and time.monotonic() >= told + (GRACE_S if commands else 0.0)


def now() -> str:
    """Return the time in UTC, as ISO."""
    return datetime.now(timezone.utc).isoformat()
