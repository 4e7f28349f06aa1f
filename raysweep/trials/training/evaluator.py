"""The last stage: score the winner on the test split, log the scores, and tag it `best`.

Only the method that scores imports torch: the driver needs nothing but the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysweep.cluster.capture import printed
from raysweep.cluster.logs import kept
from raysweep.cluster.remote import as_actor, wait_for
from raysweep.cluster.resources import Resources
from raysweep.config.failure import whole
from raysweep.config.raised import whole_cause
from raysweep.errors import ArtifactNotFound, TrackingError, WorkerDied
from raysweep.selection import Goal
from raysweep.stages.stages import TRAINED_MODEL
from raysweep.stages.versions import STAGE_RETRIES
from raysweep.storage.sweep_folder import EVALUATE
from raysweep.tracking import ArtifactVersion, Image, Run
from raysweep.tracking.links import REPORT
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import fetch
from raysweep.trials.training.promotion import Promote, data_of, refusal

if TYPE_CHECKING:
    from raysweep.ml.protocols import Evaluation


@dataclass(frozen=True)
class Report:
    """An evaluation. promoted, reason: whether `best` moved to the winner, and why."""

    scores: Mapping[str, float]
    run: str
    promoted: bool
    reason: str


class Evaluator:
    """Scores a trained model once, on data that no choice was based on."""

    def __init__(self, context: TrialContext) -> None:
        self._context = context
        self._tracker = context.tracker
        self._sweep = context.sweep

    def kept_report(self, model_ref: str, step: int = 0) -> Report:
        """As `report`, with its output in the sweep's logs."""
        return kept(self._context.logs, EVALUATE, self.report, model_ref, step)

    def report(self, model_ref: str, step: int = 0) -> Report:
        """Evaluate `model_ref` on the test split of the data that it was trained on, log the
        report, and move the aliases.

        `best-<sweep>` always moves to the model. `best` moves too, unless `tracking.promote` keeps
        it with its present holder (see `promotion`).

        Pictures and tables are logged at `step`. It rises when the best of a sweep is chosen again:
        W&B takes no second row for a step.
        """
        context = self._context
        data_ref = data_of(self._tracker.artifact(model_ref))
        metric, goal = context.metric, context.goal
        config = {"data": data_ref, "model": model_ref, "metric": metric, "goal": goal}
        run = self._tracker.start_run(self._sweep.run(REPORT, REPORT, config), after=-1)
        try:
            evaluation = self._evaluate(run, data_ref, model_ref)
            _record(run, evaluation, step)
            promote = context.config.tracking.promote
            promoted, reason = self._promote(model_ref, metric, goal, promote)
            run.log_output(printed())
        except BaseException as error:
            with suppress(TrackingError):  # report the first error, not this one
                run.log_output(printed() + whole(error))
                run.finish("failed", whole_cause(error))
            raise
        run.finish()
        return Report(evaluation.scores, run.id, promoted, reason)

    def _evaluate(self, run: Run, data_ref: str, model_ref: str) -> Evaluation:
        from raysweep.ml import datasets
        from raysweep.ml.compute import keep_freed_memory, use_threads
        from raysweep.ml.weights import load_weights
        from raysweep.stages import parts
        from raysweep.trials.training.device import device_of

        context = self._context
        data = run.use_artifact(data_ref)
        model = run.use_artifact(model_ref)
        network = parts.network_of(model.metadata["model"])
        model_folder = fetch(self._tracker, model.ref, context.inputs)
        network.load_state_dict(load_weights(model_folder / TRAINED_MODEL))
        test = datasets.read_split(fetch(self._tracker, data.ref, context.inputs) / "test.pt")
        use_threads(context.threads)
        keep_freed_memory()
        return parts.evaluate(context.config.evaluate, network, test, device_of(context))

    def _promote(
        self, model_ref: str, metric: str, goal: Goal, promote: Promote
    ) -> tuple[bool, str]:
        winner = self._tracker.artifact(model_ref)
        self._tracker.set_alias(winner.ref, f"best-{self._sweep.name}")
        holder = self._holder(winner)
        if holder is not None and (why := refusal(winner, holder, metric, goal, promote)):
            return False, why
        self._tracker.set_alias(winner.ref, "best")
        return True, f"best is {winner.ref}" + (f", was {holder.ref}" if holder else "")

    def _holder(self, winner: ArtifactVersion) -> ArtifactVersion | None:
        try:
            holder = self._tracker.artifact(f"{winner.name}:best")
        except ArtifactNotFound:
            return None
        return None if holder.ref == winner.ref else holder


def evaluate(context: TrialContext, resources: Resources, model: str, step: int) -> Report:
    """Score `model` in an actor. If its process dies, retry in another, in the same run. `step`:
    see Evaluator.report."""
    actor = as_actor(Evaluator, num_cpus=resources.cpus, num_gpus=resources.gpus)
    deaths = 0
    while True:
        try:
            report: Report = wait_for(actor.remote(context).kept_report.remote(model, step))
            return report
        except WorkerDied:
            deaths += 1
            if deaths > STAGE_RETRIES:
                raise


def _record(run: Run, evaluation: Evaluation, step: int) -> None:
    for key, pictures in evaluation.pictures.items():
        run.log_images(key, [Image(each.pixels, caption=each.caption) for each in pictures], step)
    for key, table in evaluation.tables.items():
        run.log_table(key, list(table.columns), [list(row) for row in table.rows], step)
    run.summarize(dict(evaluation.scores))
