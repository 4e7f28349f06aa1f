"""Programs as a sweep's workload: W&B's sweep files, run as W&B's agent runs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.config import Config
from raysweep.errors import ArtifactNotFound, UserError
from raysweep.trials.program import command
from raysweep.trials.program.errors import ProgramKilled
from raysweep.trials.work import Evaluated, PlannedStage, Settings

if TYPE_CHECKING:
    from raysweep.cluster.logs import Logs
    from raysweep.cluster.resources import Resources
    from raysweep.events import Observer, TrialUpdated
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.journal import Journal
    from raysweep.storage.past import Past
    from raysweep.storage.reading import StoredSweep
    from raysweep.tracking import ArtifactVersion, Tracker
    from raysweep.tracking.identity import SweepIdentity
    from raysweep.trials.context import TrialContext
    from raysweep.trials.program.work import ProgramWork
    from raysweep.trials.progress import Progress

_MODEL = "model"
"""The type of the artifacts that are tagged `best`."""


class Nothing:
    """See Prepared. Before the trials of a program nothing is made."""

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
        return ()


class Program:
    """See Workload. A trial is a process, a report a row with the sweep's metric."""

    cannot_clone: str | None = "nobody can take the state of a program's process from outside"
    """See Workload."""

    cannot_pause: str | None = "a program's process cannot be continued in another worker"
    """See Workload."""

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
        if config.tracking.promote == "if_better":
            raise UserError(
                "tracking.promote: if_better needs to know what the holder of `best` was trained "
                "on, and a program's models do not say; leave it out, and `best` moves"
            )

    def check_here(self, config: Config) -> None:
        """See Workload: the program's file, and the first word of its command."""
        folder = Path(config.program.directory or Path.cwd())
        program, words = config.sweep.program, config.sweep.command or command.DEFAULT
        if program is not None and "${program}" in words and not (folder / program).exists():
            raise UserError(f"sweep.program: {folder / program}: no such file")
        first = command.expand(words, program, {}, folder, config.program.python)
        start = [word for word in first if word != command.ENV and "=" not in word][:1]
        if start and shutil.which(start[0]) is None and not os.access(folder / start[0], os.X_OK):
            what = folder / start[0] if (folder / start[0]).exists() else start[0]
            why = "not executable" if (folder / start[0]).exists() else "no such program"
            raise UserError(f"sweep.command: {what}: {why}")

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None:
        """See Workload."""
        self.check_here(config)

    def planned(self, config: Config, tracker: Tracker | None) -> list[PlannedStage]:
        """See Workload."""
        return []

    def absent(self, config: Config) -> None:
        """See Workload."""

    def at_hand(self, config: Config) -> tuple[Config, None]:
        """See Workload."""
        return config, None

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
    ) -> Nothing:
        """See Workload."""
        return Nothing()

    def open(self, context: TrialContext, spec: TrialSpec) -> ProgramWork:
        """See Workload."""
        from raysweep.trials.program.work import ProgramWork

        return ProgramWork(context, spec)

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether the program was killed by a signal."""
        return isinstance(error, ProgramKilled)

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """See Workload. What a program had not logged when it died nobody can log."""

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> dict[int, str]:
        """See Workload: the last version of type `model` that each logged."""
        logged = {run.id: run.logged for run in tracker.runs(sweep.name)}
        found: dict[int, str] = {}
        for trial in trials:
            for ref in logged.get(sweep.run_id(trial.name), ()):
                if tracker.artifact(ref).type == _MODEL:
                    found[trial.index] = ref
        return found

    def evaluate(
        self, context: TrialContext, resources: Resources, product: str | None, step: int
    ) -> Evaluated:
        """See Workload: move the aliases."""
        if product is None:
            return Evaluated({}, False, "the winner logged no artifact of type model", {}, None)
        tracker, was = context.tracker, ""
        with suppress(ArtifactNotFound):
            holder = tracker.artifact(f"{product.partition(':')[0]}:best").ref
            was = "" if holder == product else f", was {holder}"
        for alias in ("best", f"best-{context.sweep.name}"):
            tracker.set_alias(product, alias)
        used = tracker.runs(context.sweep.name)
        producer = tracker.artifact(product).producer
        refs = next((run.used for run in used if run.id == producer), ())
        artifacts = {name: number for name, _, number in (ref.partition(":") for ref in refs)}
        return Evaluated({}, True, f"best is {product}{was}", artifacts, None)
