"""The built-in training as a sweep's workload. Torch is imported in the workers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raysweep.cluster.cluster import Resources
from raysweep.config import Config
from raysweep.events import Observer, TrialUpdated
from raysweep.search import space
from raysweep.search.spec import TrialSpec
from raysweep.stages.stages import TRAINED_MODEL
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.context import Evaluated, TrialContext
from raysweep.trials.progress import Progress
from raysweep.trials.training.evaluator import evaluate
from raysweep.trials.training.models import log_lacking_models, logged_models
from raysweep.trials.training.prepare import PreparedTraining, prepare
from raysweep.trials.training.promotion import data_of

if TYPE_CHECKING:
    from raysweep.trials.training.work import TrainingWork


class Training:
    """See Workload. A trial trains a network, an epoch a report."""

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> int:
        """See Workload."""
        return space.epochs_of(config, values)

    def most_epochs(self, config: Config) -> int:
        """See Workload."""
        return space.longest_epochs(config)

    def prepare(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        past: Past,
        journal: Journal,
        observer: Observer,
    ) -> PreparedTraining:
        """See Workload."""
        return prepare(tracker, sweep, config, past, journal, observer)

    def open(self, context: TrialContext, spec: TrialSpec) -> TrainingWork:
        """See Workload."""
        from raysweep.trials.training.work import TrainingWork

        return TrainingWork(context, spec)

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether a CUDA device is at fault: that stays with the process that met it. No
        other exception does."""
        import torch

        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, torch.AcceleratorError):
            cause = cause.__cause__
        return cause is not None

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None:
        """See Workload: log the models that are lacking."""
        log_lacking_models(context, resources, progress)

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> dict[int, str]:
        """See Workload: the `trained-model` of each."""
        return logged_models(tracker, sweep, list(trials))

    def evaluate(
        self, context: TrialContext, resources: Resources, product: str | None, step: int
    ) -> Evaluated:
        """See Workload: score the model on the test split, and move the aliases."""
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
