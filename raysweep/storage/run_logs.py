"""The logs of a stored sweep's runs: which there are, by which names, and whether more comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.claim import is_driven
from raysweep.storage.journal import read_journal, read_on
from raysweep.storage.nearest import nearest
from raysweep.storage.past import Past
from raysweep.storage.reading import StoredSweep

_OF_ONCE = ("stage", "before")
"""Events of the journal at the end of a run that is no trial; `stage` names its log."""

_OF_ENDS = (*_OF_ONCE, "ended", "retry")

_SHOWN = 8
"""How many trials an error names one by one."""


class RunLogs:
    """The logs of one sweep. Of one at a URI each is downloaded when its path is asked for."""

    def __init__(self, stored: StoredSweep) -> None:
        self._stored = stored
        self._folder = stored.folder
        self._origin = stored.storage.origin
        self._read_to = 0
        self._ends: list[Mapping[str, Any]] = []

    def path(self, run: str) -> Path:
        """Return the file of the run's log, which may not be there."""
        if self._origin is not None:
            self._origin.logs(self._stored.record.name, [run])
        return self._folder.log(run)

    def sizes(self) -> dict[str, int]:
        """Map each run that has a log to its size in bytes."""
        there = {} if self._origin is None else self._origin.log_sizes(self._stored.record.name)
        here = {path.stem: path.stat().st_size for path in self._folder.logs.glob("*.log")}
        return there | here

    def runs(self) -> list[str]:
        """List the runs of which there is a log, and the trials that have begun: stages first."""
        logs = set(self.sizes())
        trials = {_trial(event["index"]) for event in self._past().of("trial")}
        return sorted(logs | trials, key=lambda run: (run.startswith("trial-"), run))

    def named(self, name: str) -> str:
        """Return the run of that name; `3` is `trial-0003`. Raises UserError, with the nearest
        names, where there is none."""
        known = self.runs()
        run = _trial(int(name)) if name.isascii() and name.isdigit() else name
        if run in known:
            return run
        sweep = self._stored.record.name
        self.check_any(known)
        near = nearest(name, known)
        nearly = f"; the nearest: {', '.join(near)}" if near else ""
        raise UserError(f"no run {name} in {sweep}, which has {in_short(known)}{nearly}")

    def check_any(self, known: Sequence[str]) -> None:
        """Raise UserError where `known`, the sweep's runs, are none."""
        if not known:
            sweep = self._stored.record.name
            raise UserError(f"{sweep} has no logs yet; `--follow` a run once it has begun")

    def failed(self) -> set[str]:
        """Return the trials that failed."""
        return set(map(_trial, self._past().failed()))

    def check_followable(self) -> None:
        """Raise UserError for a sweep at a URI, which is written to on another machine."""
        if self._stored.storage.is_uri:
            raise UserError(
                f"--follow: {self._stored.storage.shown} has what was pushed so far; leave it out, "
                "or follow the run in the storage of the machine that drives the sweep"
            )

    def has_ended(self, run: str) -> bool:
        """Whether nothing more comes: the sweep has no driver, or the run has ended. Each call
        reads what the journal has got since the last one."""
        if not is_driven(self._folder):
            return True
        with suppress(UserError):  # a damaged journal keeps nobody from a log
            events, self._read_to = read_on(self._folder.journal, self._read_to)
            self._ends += [event for event in events if event["event"] in _OF_ENDS]
        past = Past(self._ends)
        once = {event["stage"] for kind in _OF_ONCE for event in past.of(kind)}
        return run in once or run in map(_trial, past.ended())

    def _past(self) -> Past:
        """The journal's events; none of a damaged one, which keeps nobody from a log."""
        with suppress(UserError):
            return Past(read_journal(self._folder.journal))
        return Past()


def _trial(index: int) -> str:
    return f"trial-{index:04d}"


def in_short(runs: Sequence[str]) -> str:
    """Join the names: `load, preprocess, trial-0000 to trial-0019`."""
    trials = [run for run in runs if run.startswith("trial-")]
    stages = [run for run in runs if run not in trials]
    if len(trials) > _SHOWN:
        trials = [f"{len(trials)} trials from {trials[0]} to {trials[-1]}"]
    return ", ".join([*stages, *trials])
