"""The built-in training as a sweep's workload.

Each method imports what it needs: `plan` calls it without Ray, the driver without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from raysweep.config import Config
from raysweep.search import space
from raysweep.stages.stages import TRAINED_MODEL
from raysweep.trials.training import checks, planned
from raysweep.trials.training.promotion import data_of, other_data
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
    from raysweep.trials.progress import Progress
    from raysweep.trials.training.prepare import PreparedTraining
    from raysweep.trials.training.work import TrainingWork


class Training:
    """See Workload. A trial trains a network, and reports after each epoch."""

    cannot_clone: str | None = None
    """See Workload. (The config asks a custom trainer whether it can.)"""

    cannot_pause: str | None = None
    """See Workload."""

    def versions(self) -> dict[str, str]:
        """See Workload."""
        return {"torch": version("torch")}

    def settings(self, config: Config, resources: Resources, past: Past) -> Settings:
        """See Workload: what `train.precision: auto` means."""
        from raysweep.cluster import precision

        found = precision.of_machines(config, resources, past.setting("precision"))
        return Settings({"precision": found.format}, found.notices)

    def grace_s(self, config: Config) -> float:
        """See Workload. Nothing runs between two epochs, so there is nothing to wait for."""
        return 0.0

    def check(self, config: Config) -> None:
        """See Workload."""
        checks.check(config)

    def check_here(self, config: Config) -> None:
        """See Workload."""
        checks.check_here(config)

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None:
        """See Workload: compare the data set's files."""
        checks.check_again(config, past, stored)

    def planned(self, config: Config, tracker: Tracker | None) -> list[PlannedStage]:
        """See Workload."""
        return planned.planned(config, tracker)

    def absent(self, config: Config) -> str | None:
        """See Workload: look for missing data sets."""
        return planned.absent(config)

    def at_hand(self, config: Config) -> tuple[Config, str | None]:
        """See Workload: download a missing data set, or use its fallback."""
        from raysweep.trials.training.prepare import with_data

        return with_data(config)

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> int:
        """See Workload."""
        return space.epochs_of(config, values)

    def most_epochs(self, config: Config) -> int:
        """See Workload."""
        return space.longest_epochs(config)

    def keeps_best(self, winner: ArtifactVersion, holder: ArtifactVersion) -> str | None:
        """See Workload: one that was trained on another data set."""
        return other_data(winner, holder)

    def prepare(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        past: Past,
        journal: Journal,
        observer: Observer,
        logs: Logs,
    ) -> PreparedTraining:
        """See Workload."""
        from raysweep.trials.training.prepare import prepare

        return prepare(tracker, sweep, config, past, journal, observer, logs)

    def open(self, context: TrialContext, spec: TrialSpec) -> TrainingWork:
        """See Workload."""
        from raysweep.trials.training.work import TrainingWork

        return TrainingWork(context, spec)

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether a CUDA device is at fault: its error persists in the process that met it.
        No other exception does."""
        import torch

        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, torch.AcceleratorError):
            cause = cause.__cause__
        return cause is not None

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """See Workload: log the missing models."""
        from raysweep.trials.training.models import log_lacking_models

        log_lacking_models(self, context, resources, progress)

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> dict[int, str]:
        """See Workload: the trial's `trained-model`."""
        from raysweep.trials.training.models import logged_models

        return logged_models(tracker, sweep, trials)

    def evaluating(self, config: Config) -> str:
        """See Workload."""
        return "evaluating"

    def evaluate(
        self,
        context: TrialContext,
        resources: Resources,
        trial: str,
        product: str | None,
        step: int,
    ) -> Evaluated:
        """See Workload: score the model on the test split, and move the aliases."""
        from raysweep.trials.training.evaluator import evaluate

        assert product is not None, "a trial without a model has failed"
        report = evaluate(context, resources, product, step)
        model = context.tracker.artifact(product)
        raw = str(context.tracker.artifact(data_of(model)).metadata["raw"])
        name, _, version = raw.partition(":")
        return Evaluated(
            scores=report.scores,
            promoted=report.promoted,
            reason=report.reason,
            artifacts={name: version, **model.metadata["used"]},
            file=TRAINED_MODEL,
        )
