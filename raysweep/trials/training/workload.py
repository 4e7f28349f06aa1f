"""The built-in training as a sweep's workload. Torch is imported in the workers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raysweep.search.spec import TrialSpec
    from raysweep.trials.context import TrialContext
    from raysweep.trials.training.work import TrainingWork


class Training:
    """See Workload. A trial trains a network, an epoch a report."""

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
