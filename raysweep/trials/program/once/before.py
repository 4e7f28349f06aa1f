"""Run `program.before`: programs that run once before the first trial, or are reused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysweep.cluster.logs import Logs, kept
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_task, wait_for
from raysweep.config import Config
from raysweep.errors import WorkerDied
from raysweep.events import Observer, StageBegun, StageFinished
from raysweep.stages.versions import STAGE_RETRIES
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.program import calls
from raysweep.trials.program.calls import Call, users_folder
from raysweep.trials.program.once import earlier
from raysweep.trials.program.once.earlier import Logged
from raysweep.trials.program.once.run import run_once, worker_died

EVENT = "before"
"""The journal's event of a program that has run or was reused."""


@dataclass(frozen=True)
class PreparedPrograms:
    """See Prepared. `reused`: the names of the programs that were not run again. What they logged
    trials ask for themselves."""

    reused: tuple[str, ...] = ()

    data = None

    @staticmethod
    def versions(config: Config) -> dict[str, ArtifactVersion]:
        """See Prepared."""
        return {}

    def telling(self, observer: Observer) -> Observer:
        """See Prepared."""
        return observer

    def cached(self, observer: Observer) -> tuple[str, ...]:
        """See Prepared."""
        return self.reused


def prepare(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    past: Past,
    journal: Journal,
    observer: Observer,
    logs: Logs,
) -> PreparedPrograms:
    """Run the programs one after the other, each as a Ray task on this node, which has the user's
    files. One that `past` records, or an earlier sweep has run, is reused."""
    done = {event["stage"]: event for event in past.of(EVENT)}
    reused = []
    for call in calls.before(config):
        if call.name in done:
            logged, cached = _of_event(done[call.name]), bool(done[call.name]["cached"])
            earlier.give_aliases(earlier.kept_in(tracker), logged)
            told = True
        else:
            logged, cached = _reused_or_run(
                call, tracker, sweep, config, journal.folder, observer, logs
            )
            told = cached
            _note(journal, past, call, tracker, logged, cached=cached)
        ref, *more = [earlier.known_as(tracker, ref) for ref in logged.refs] or [""]
        observer(StageFinished(call.name, ref, told, tuple(more)))
        if cached:
            reused.append(call.name)
    return PreparedPrograms(tuple(reused))


def _reused_or_run(
    call: Call,
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    place: Path,
    observer: Observer,
    logs: Logs,
) -> tuple[Logged, bool]:
    """Return what the program has logged, and whether an earlier sweep has run it."""
    users = users_folder(config)
    identity = earlier.identity(call, config, users, os.environ)
    own = sweep.run_id(call.name)
    kept_here = earlier.kept_in(tracker)
    runs = [run for run in kept_here.runs() if config.program.reuse or run.id == own]
    found = earlier.find(kept_here, runs, identity)
    if found is not None:
        earlier.give_aliases(kept_here, found)
        return found, found.run_id != own  # else this sweep's driver died before it noted it
    observer(StageBegun(call.name))
    task = as_task(kept, num_cpus=0, max_retries=STAGE_RETRIES, **on_this_node())
    given = (tracker, sweep, config, call, place, threads_of(config), identity)
    try:
        logged: Logged = wait_for(task.remote(logs, call.name, run_once, *given))
    except WorkerDied as error:
        raise worker_died(call) from error
    return logged, False


def _note(
    journal: Journal, past: Past, call: Call, tracker: Tracker, logged: Logged, *, cached: bool
) -> None:
    """Write what the program logged, then that it is done: a driver that is killed in between asks
    again. `past` may have some of it, from such a driver."""
    noted = {(event["stage"], event["ref"]) for event in past.of("stage")}
    for ref in (earlier.known_as(tracker, ref) for ref in logged.refs):
        if (call.name, ref) not in noted:
            journal.write("stage", stage=call.name, ref=ref, cached=cached)
    journal.write(EVENT, stage=call.name, cached=cached, **_plain(logged))


def threads_of(config: Config) -> int:
    """Return how many threads a program that runs alone is told to use."""
    cpus = config.resources.cpus
    return max(1, int(cpus)) if isinstance(cpus, (int, float)) else len(os.sched_getaffinity(0))


def _plain(logged: Logged) -> dict[str, Any]:
    return {
        "run": logged.run_id,
        "refs": list(logged.refs),
        "aliases": {ref: list(aliases) for ref, aliases in logged.aliases.items()},
    }


def _of_event(event: Mapping[str, Any]) -> Logged:
    aliases = {ref: tuple(given) for ref, given in event["aliases"].items()}
    return Logged(event["run"], tuple(event["refs"]), aliases, {}, {})
