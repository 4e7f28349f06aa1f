"""Programs as a sweep's workload: W&B's sweep files, run as W&B's agent runs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.tracking.winners import models_of
from raysweep.trials.program import calls
from raysweep.trials.program.calls import Call
from raysweep.trials.program.errors import ProgramKilled
from raysweep.trials.program.folder import packing
from raysweep.trials.program.process import command
from raysweep.trials.work import Evaluated, PlannedStage, Settings

if TYPE_CHECKING:
    from raysweep.cluster.logs import Logs
    from raysweep.cluster.resources import Resources
    from raysweep.cluster.sending import Sent
    from raysweep.events import Observer, TrialUpdated
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.journal import Journal
    from raysweep.storage.past import Past
    from raysweep.storage.reading import StoredSweep
    from raysweep.tracking import ArtifactVersion, Tracker
    from raysweep.tracking.identity import SweepIdentity
    from raysweep.trials.context import TrialContext
    from raysweep.trials.program.once.before import PreparedPrograms
    from raysweep.trials.program.work import ProgramWork
    from raysweep.trials.progress import Progress

_ARCHIVE, _UNPACKED = "program.tar", "program"
"""In the working folder of a job: the program's folder as it is sent, and as it is run in."""


class Program:
    """See Workload. A trial is a process, a report a row with the sweep's metric."""

    cannot_clone: str | None = "nobody can take the state of a program's process from outside"
    """See Workload."""

    cannot_pause: str | None = "a program's process cannot be continued in another worker"
    """See Workload."""

    def __init__(self) -> None:
        self._sent: Sent | None = None

    def versions(self) -> dict[str, str]:
        """See Workload."""
        return {"wandb": version("wandb")}

    def settings(self, config: Config, resources: Resources, past: Past) -> Settings:
        """See Workload."""
        return Settings({})

    def grace_s(self, config: Config) -> float:
        """See Workload."""
        return config.program.grace_s

    def check(self, config: Config) -> None:
        """See Workload: the command line."""
        words = config.sweep.command or command.DEFAULT
        if (macro := command.unknown_macro(words)) is not None:
            known = ", ".join(f"${{{name}}}" for name in command.MACROS)
            raise UserError(
                f"sweep.command: {macro} is no macro; there are {known}, ${{envvar:NAME}}"
            )
        if config.sweep.program is None and "${program}" in words:
            raise UserError("sweep.command: has ${program}, and sweep.program names none")
        for call in _calls(config):
            calls.check(call)
        if config.tracking.promote == "if_better":
            raise UserError(
                "tracking.promote: if_better needs to know what the holder of `best` was trained "
                "on, and a program's models do not say; leave it out, and `best` moves"
            )
        if config.tracking.keep == "best":
            raise UserError(
                "tracking.keep: best knows only the models of the built-in training; leave it out, "
                "and all that a program logs is kept"
            )

    def check_here(self, config: Config) -> None:
        """See Workload: the program's file, and the first word of its command."""
        folder, words = calls.users_folder(config), config.sweep.command or command.DEFAULT
        _check_files(config, folder)
        bare = command.expand(words, config.sweep.program, {}, python=config.program.python)
        _check_start("sweep.command", bare, folder)
        for call in _calls(config):
            _check_start(call.where, call.expanded(config, os.environ), folder)

    def check_sent(self, config: Config) -> None:
        """See Workload: the program's folder."""
        _check_files(config, calls.users_folder(config))
        packing.check(config)

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None:
        """See Workload."""
        self.check_here(config)

    def planned(self, config: Config, tracker: Tracker | None) -> list[PlannedStage]:
        """See Workload: the programs of `before`."""
        from raysweep.trials.program.once.planned import planned

        return planned(config, tracker)

    def absent(self, config: Config) -> None:
        """See Workload."""

    def at_hand(self, config: Config) -> tuple[Config, None]:
        """See Workload: nothing is missing. Trials have other working folders than this process."""
        return _run_in(config, str(calls.users_folder(config).absolute())), None

    def send(self, config: Config) -> None:
        """See Workload: the program's folder."""
        from raysweep.trials.program.folder.sent import send

        self._sent = send(config)

    def pack(self, config: Config, folder: Path) -> Config:
        """See Workload: the program's folder, as an archive. Ray, which packs the working folder,
        follows links, drops permissions and has ignore files of its own."""
        archive = folder / _ARCHIVE
        try:
            with archive.open("wb") as file:
                packing.pack(config, file)
        except OSError as error:
            raise UserError(
                f"{archive}: cannot be written ({error.strerror or error}); make room there, or "
                "set TMPDIR to another folder"
            ) from error
        return _run_in(config, _UNPACKED)

    def unpacking(self, config: Config) -> str:
        """See Workload."""
        return f"python -m {packing.__name__} {_ARCHIVE} {_UNPACKED}"

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> None:
        """See Workload."""

    def most_epochs(self, config: Config) -> None:
        """See Workload."""

    def keeps_best(self, winner: ArtifactVersion, holder: ArtifactVersion) -> None:
        """See Workload."""

    def prepare(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        past: Past,
        journal: Journal,
        observer: Observer,
        logs: Logs,
    ) -> PreparedPrograms:
        """See Workload: run the programs of `before`."""
        from raysweep.trials.program.once.before import prepare

        return prepare(tracker, sweep, config, past, journal, observer, logs)

    def open(self, context: TrialContext, spec: TrialSpec) -> ProgramWork:
        """See Workload."""
        from raysweep.trials.program.work import ProgramWork

        return ProgramWork(context, spec, self._sent)

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether the program was killed by a signal."""
        return isinstance(error, ProgramKilled)

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """See Workload. What a program had not logged when it died nobody can log."""

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> dict[int, str]:
        """See Workload: the last version of type `model` that each logged."""
        runs = {run.id: run for run in tracker.runs(sweep.name)}
        found: dict[int, str] = {}
        for trial in trials:
            run = runs.get(sweep.run_id(trial.name))
            if run is not None and (models := models_of(tracker, run)):
                found[trial.index] = models[-1].ref
        return found

    def evaluating(self, config: Config) -> str | None:
        """See Workload: nothing is done without `program.after`."""
        call = calls.after(config)
        return None if call is None else f"running {call.shown} on"

    def evaluate(
        self,
        context: TrialContext,
        resources: Resources,
        trial: str,
        product: str | None,
        step: int,
    ) -> Evaluated:
        """See Workload: move the aliases, and run `program.after`."""
        from raysweep.trials.program.once.winner import evaluate

        return evaluate(context, resources, trial, product, self._sent)


def _run_in(config: Config, directory: str) -> Config:
    program = config.program.model_copy(update={"directory": directory})
    return config.model_copy(update={"program": program})


def _calls(config: Config) -> list[Call]:
    """Return all programs that run once."""
    last = calls.after(config)
    return calls.before(config) + ([] if last is None else [last])


def _check_files(config: Config, folder: Path) -> None:
    """Raise a UserError where the folder lacks a file that is to be run."""
    program, words = config.sweep.program, config.sweep.command or command.DEFAULT
    if program is not None and _is_run(words) and not (folder / program).exists():
        raise UserError(f"sweep.program: {folder / program}: no such file")
    for call in _calls(config):
        if call.script is not None and not (folder / call.script).exists():
            raise UserError(f"{call.where}: {folder / call.script}: no such file")


def _is_run(words: Sequence[str]) -> bool:
    """Whether the program is named as a file: after `-m`, Python takes it for a module."""
    places = [place for place, word in enumerate(words) if word == "${program}"]
    return any(place == 0 or words[place - 1] != "-m" for place in places)


def _check_start(where: str, words: Sequence[str], folder: Path) -> None:
    """Raise a UserError where the first word of a command cannot be run here."""
    start = [word for word in words if word != command.ENV and "=" not in word][:1]
    if start and shutil.which(start[0]) is None and not os.access(folder / start[0], os.X_OK):
        what = folder / start[0] if (folder / start[0]).exists() else start[0]
        why = "not executable" if (folder / start[0]).exists() else "no such program"
        raise UserError(f"{where}: {what}: {why}")
