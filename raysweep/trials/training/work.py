"""The work of a trial that trains a network: report each epoch, and log the best epoch's model."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from raysweep.config import apply
from raysweep.ml import datasets
from raysweep.ml.compute import auto_means, keep_freed_memory, use_threads
from raysweep.ml.protocols import Adopting, BatchLoss, EpochMetrics, Trainer
from raysweep.ml.weights import load_weights
from raysweep.search.population import Clone, Member
from raysweep.search.spec import TrialSpec
from raysweep.selection import without_nan
from raysweep.stages import parts
from raysweep.stages.stages import INITIALIZED_MODEL
from raysweep.tracking import ArtifactVersion, Run
from raysweep.tracking.summary import beside
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import fetch
from raysweep.trials.reports import TrialReport
from raysweep.trials.training.best_so_far import BestSoFar
from raysweep.trials.training.clones import log_checkpoint, use_checkpoint
from raysweep.trials.training.device import device_of
from raysweep.trials.training.trained_model import log_model
from raysweep.trials.training.values import computed_in, recorded, seed_of, swept_values


class TrainingWork:
    """See Work. In a population a trial may continue from another trial's checkpoint. Its values
    change then; its run, its best epoch and that epoch's weights stay its own."""

    def __init__(self, context: TrialContext, spec: TrialSpec) -> None:
        self._context = context
        self._name = spec.name
        self._repeat = spec.repeat
        self._config = self._first_config = apply(context.config, spec.overrides)
        self._reports: list[TrialReport] = []
        self._state: Mapping[str, Any] | None = None
        self._run: Run | None = None
        self._used: dict[str, ArtifactVersion] = {}
        self.trainer: Trainer | None = None
        self.best = BestSoFar(self._config, context.metric, context.goal)
        self.clones: list[dict[str, Any]] = []

    def run_config(self) -> dict[str, Any]:
        """See Work. After a clone this still has the values with which the trial began."""
        sweep, config = self._context.sweep.name, self._first_config
        own = recorded(config, sweep, self._name, self._repeat)
        return own | computed_in(config, self._context.settings.get("precision"))

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        """See Work."""
        found: dict[str, Any] = torch.load(io.BytesIO(state), "cpu", weights_only=True)
        self._state = found
        self._reports = [TrialReport(**report) for report in found["reports"]]
        best_config = self._config
        if found["clones"]:
            self.clones = list(found["clones"])
            self._config = apply(self._context.config, found["values"])
            best_config = apply(self._context.config, found["best_values"])
        self.best.load_state_dict(found["best"], best_config)
        return tuple(self._reports)

    def start(self, run: Run) -> None:
        """See Work."""
        self._run, state, self._state = run, self._state, None
        self.trainer = self._load(run, state["used"] if state else self._inputs())
        if state is not None:
            self.trainer.load_state_dict(state["trainer"])

    def next(self, deadline_s: float) -> TrialReport:
        """Train an epoch, however long it takes. In a population, continue from another trial's
        checkpoint afterwards where the population says so."""
        report = self._report(*self._started())
        self._reports.append(report)
        return report

    @property
    def ended(self) -> bool:
        """See Work."""
        return bool(self._reports) and self._reports[-1].last

    def snapshot(self) -> memoryview:
        """Return, in torch.save's format, the state from which another process continues bit for
        bit.

        Raises ConfigError for a trainer of the user's own whose state could not be loaded.
        """
        _, trainer = self._started()
        state = {
            "trainer": trainer.state_dict(),
            "reports": [report.plain() for report in self._reports],
            "best": self.best.state_dict(),
            "values": swept_values(self._config),
            "best_values": swept_values(self.best.config),
            "clones": self.clones,
            "used": [version.ref for version in self._used.values()],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        if len(self._reports) == self._context.config.resources.checkpoint_every:  # the first
            parts.check_state(self._config, buffer.getbuffer())
        return buffer.getbuffer()

    @property
    def keeps_rows(self) -> bool:
        """See Work: it logs again what comes after its checkpoint."""
        return False

    def offer_again(self, report: TrialReport) -> None:
        """See Work."""
        assert self._context.population is not None and report.member is not None
        self._context.population.report(Member(**report.member), report.epochs)

    def stop(self, grace_s: float) -> None:
        """Do nothing: nothing runs between two epochs."""

    def finish(self, *, stopped: bool) -> None:
        """Log the model of the best epoch, and summarize that epoch."""
        run, _ = self._started()
        if self.best.epoch is None:
            return
        artifact = self._log_model(run, self.best.epoch, stopped=stopped)
        metrics = without_nan(self.best.epoch.as_metrics())
        own = {"model": artifact.ref, "stopped": stopped}
        run.summarize({**metrics, **beside(metrics, own)})

    def _started(self) -> tuple[Run, Trainer]:
        assert self._run is not None and self.trainer is not None, "start comes first"
        return self._run, self.trainer

    def _inputs(self) -> tuple[str, str]:
        """Return the refs from which a new trial starts: its data and its untrained model."""
        versions = self._context.versions(self._config)
        return versions["data"].ref, versions["model"].ref

    def _load(self, run: Run, refs: Sequence[str]) -> Trainer:
        context = self._context
        data, model = (run.use_artifact(ref) for ref in refs)
        self._used = {data.name: data, model.name: model}
        self._data_folder = fetch(context.tracker, data.ref, context.inputs)
        self._model_folder = fetch(context.tracker, model.ref, context.inputs)
        use_threads(context.threads)
        auto_means(context.settings.get("precision"))
        keep_freed_memory()
        return self._make_trainer()

    def _make_trainer(self) -> Trainer:
        config = self._config
        network = parts.make_network(config.model)
        network.load_state_dict(load_weights(self._model_folder / INITIALIZED_MODEL))
        splits = (
            datasets.read_split(self._data_folder / "training.pt"),
            datasets.read_split(self._data_folder / "validation.pt"),
        )
        seed, device = seed_of(config, self._repeat), device_of(self._context)
        return parts.make_trainer(config.train, network, splits, seed, device)

    def _report(self, run: Run, trainer: Trainer) -> TrialReport:
        epoch = self._epoch(run, trainer)
        run.flush()
        report = TrialReport(
            epochs=len(self._reports) + 1,
            examples=epoch.examples,
            metrics=epoch.as_metrics(),
            best=self.best.epoch.as_metrics() if self.best.epoch else None,
            last=bool(trainer.done),
        )
        pbt, population = self._context.config.sweep.pbt, self._context.population
        if pbt is None or population is None:
            return report
        values = swept_values(self.best.config)
        if report.last or report.epochs % pbt.interval:
            return replace(report, values=values)
        member = self._offer(run, trainer, report)
        clone = population.report(member, report.epochs)
        if clone is not None:
            self._adopt(run, clone, report.epochs)
        cloned = None if clone is None else asdict(clone)
        return replace(report, values=values, cloned=cloned, member=asdict(member))

    def _epoch(self, run: Run, trainer: Trainer) -> EpochMetrics:
        logged: set[str] = set()
        # If so, `epoch` is the trainer's own metric.
        named_epoch = "epoch" in (self._config.goals() or ())
        for event in parts.events_of(self._config, trainer):
            if isinstance(event, BatchLoss):
                logged = {"train/loss"}
                row = {} if named_epoch else {"epoch": event.epoch}
                run.log({**row, "train/loss": event.loss}, step=event.examples)
        assert isinstance(event, EpochMetrics), "events_of ends with it"
        metrics = event.as_metrics()
        run.log({key: metrics[key] for key in metrics if key not in logged}, step=event.examples)
        self.best.see(event, trainer, self._config)
        return event

    def _offer(self, run: Run, trainer: Trainer, report: TrialReport) -> Member:
        """Log a checkpoint from which other members of the population may continue."""
        values = swept_values(self._config)
        metadata = {
            "sweep": self._context.sweep.name,
            "trial": self._name,
            "epochs": report.epochs,
            "values": values,
        }
        ref = log_checkpoint(run, trainer.state_dict(), metadata, self._context.inputs)
        return Member(self._name, report.metrics.get(self._context.metric), ref, values)

    def _adopt(self, run: Run, clone: Clone, epochs: int) -> None:
        """Continue from another member's checkpoint, with its values. The best epoch and its
        weights stay this trial's own."""
        tracker, inputs = self._context.tracker, self._context.inputs
        state = use_checkpoint(run, tracker, clone.checkpoint, inputs)
        self._config = apply(self._context.config, clone.values)
        adopting = self.trainer = self._make_trainer()
        assert isinstance(adopting, Adopting), "the config lets no other be part of a population"
        adopting.adopt(state)
        self.clones.append({"epochs": epochs, **asdict(clone)})
        run.summarize(beside(self._config.goals() or {}, {"clones": self.clones}))

    def _log_model(self, run: Run, best: EpochMetrics, *, stopped: bool) -> ArtifactVersion:
        config = self.best.config
        made_by = {
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json"),
            "seed": seed_of(config, self._repeat),
            "trial": self._name,
            "repeat": self._repeat,
            "metrics": without_nan(best.as_metrics()),
            "stopped": stopped,
            **computed_in(config, self._context.settings.get("precision")),
            **({"clones": self.clones} if config.sweep.pbt else {}),
        }
        return log_model(run, self._context, self.best.weights, self._used, made_by)
