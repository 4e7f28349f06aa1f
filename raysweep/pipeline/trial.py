"""One training trial: the tracker's run, the training, the model of its best epoch.

Plain Python: `trainable` wraps it for Ray Tune, and a test can step it by hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from raysweep.config import Config
from raysweep.ml import datasets
from raysweep.ml.compute import use_threads
from raysweep.ml.protocols import BatchLoss, EpochMetrics, Trainer
from raysweep.ml.seeds import derive_seed
from raysweep.ml.weights import load_weights, save_weights
from raysweep.pipeline import parts
from raysweep.pipeline.context import TRAINED_MODEL, TrialContext
from raysweep.pipeline.inputs import fetch
from raysweep.pipeline.selection import best_epoch, without_nan
from raysweep.pipeline.space import sweeps
from raysweep.pipeline.stages import INITIALIZED_MODEL
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run, RunState
from raysweep.version import __version__


class TrialSession:
    """A trial in progress: `step` trains an epoch, `close` logs the model and ends the run.

    The run starts with the first `step`, not before: Ray Tune prepares actors that it never uses.
    """

    def __init__(self, context: TrialContext, config: Config, name: str) -> None:
        """`config` is the sweep's with this trial's values put in place."""
        self._context = context
        self._config = config
        self._name = name
        self._run: Run | None = None
        self._trainer: Trainer | None = None
        self._used: dict[str, ArtifactVersion] = {}
        self._best: EpochMetrics | None = None
        self._best_weights: dict[str, torch.Tensor] = {}
        self._closed = False

    def step(self) -> dict[str, float]:
        """Train one epoch and return its metrics; the last epoch also logs the model.

        An exception ends the run as failed, with its cause, and is raised again.
        """
        try:
            run, trainer = self._open()
            metrics = self._epoch(run, trainer)
            run.flush()
            if trainer.done:
                self._finish(stopped=False)
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise
        return metrics.as_metrics()

    def close(self) -> None:
        """End the trial where it stands: one stopped early logs the model of its best epoch."""
        if self._run is not None and not self._closed:
            try:
                self._finish(stopped=True)
            except BaseException as error:
                self._end("failed", f"{type(error).__name__}: {error}")
                raise

    @property
    def best(self) -> EpochMetrics | None:
        """The epoch whose model is (or will be) logged; None before the first."""
        return self._best

    @property
    def done(self) -> bool:
        """Whether every epoch is trained."""
        return self._trainer is not None and self._trainer.done

    def state(self) -> dict[str, Any]:
        """Everything to continue bit for bit in another process."""
        assert self._trainer is not None, "a checkpoint is asked for after a step"
        return {
            "trainer": self._trainer.state_dict(),
            "best": asdict(self._best) if self._best else None,
            "best_weights": self._best_weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, as the same run. A state that does not fit ends it as failed."""
        try:
            _, trainer = self._open()
            trainer.load_state_dict(state["trainer"])
            self._best = EpochMetrics(**state["best"]) if state["best"] else None
            self._best_weights = dict(state["best_weights"])
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise

    def _open(self) -> tuple[Run, Trainer]:
        if self._run is None or self._trainer is None:
            self._run = self._start_run()
            self._trainer = self._load(self._run)
        return self._run, self._trainer

    def _start_run(self) -> Run:
        config = self._config
        recorded = {
            "sweep": self._context.sweep.name,
            "trial": self._name,
            **{part: getattr(config, part).model_dump(mode="json") for part in _RECORDED_SECTIONS},
        }
        return self._context.tracker.start_run(
            self._context.sweep.run(self._name, "train", recorded)
        )

    def _load(self, run: Run) -> Trainer:
        context, config = self._context, self._config
        versions = context.versions(config)
        data = run.use_artifact(versions.data.ref)
        model = run.use_artifact(versions.model.ref)
        self._used = {data.name: data, model.name: model}
        data_folder = fetch(context.tracker, data.ref, context.inputs)
        model_folder = fetch(context.tracker, model.ref, context.inputs)
        use_threads(context.threads)
        network = parts.make_network(config.model)
        network.load_state_dict(load_weights(model_folder / INITIALIZED_MODEL))
        splits = (
            datasets.read_split(data_folder / "training.pt"),
            datasets.read_split(data_folder / "validation.pt"),
        )
        return parts.make_trainer(config.train, network, splits, self._seed(), context.device())

    def _seed(self) -> int:
        """From the sweep's seed and the trial's config; not from what changes no random draw."""
        config = self._config
        train = config.train.model_dump(exclude={"precision", "batch_log_interval"})
        return derive_seed("trial", train, config.model.model_dump(mode="json"))

    def _epoch(self, run: Run, trainer: Trainer) -> EpochMetrics:
        last: object = None
        for last in trainer.epoch():
            if isinstance(last, BatchLoss):
                row = {"epoch": last.epoch, "train/loss": last.loss}
                run.log(row, step=last.examples)
        event = parts.check_metrics(self._config, last)
        metrics = event.as_metrics()
        validation = {key: value for key, value in metrics.items() if key != "train/loss"}
        run.log(validation, step=event.examples)
        self._keep_if_best(event, trainer)
        return event

    def _keep_if_best(self, event: EpochMetrics, trainer: Trainer) -> None:
        """A trial whose metric was never finite keeps its last epoch: lineage needs a model."""
        history = [epoch.as_metrics() for epoch in (self._best, event) if epoch]
        best = best_epoch(history, self._context.metric, self._context.goal)
        if best is None or best is history[-1]:
            self._best = event
            self._best_weights = {
                name: tensor.detach().cpu().clone()
                for name, tensor in trainer.model.state_dict().items()
            }

    def _finish(self, *, stopped: bool) -> None:
        assert self._run is not None
        if self._best is not None:
            artifact = self._log_model(self._run, self._best, stopped=stopped)
            metrics = without_nan(self._best.as_metrics())
            self._run.summarize({**metrics, "model": artifact.ref, "stopped": stopped})
        self._end("finished")

    def _log_model(self, run: Run, best: EpochMetrics, *, stopped: bool) -> ArtifactVersion:
        context, config = self._context, self._config
        metadata = {
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json"),
            "seed": self._seed(),
            "sweep": context.sweep.name,
            "trial": self._name,
            "run": run.id,
            "metrics": without_nan(best.as_metrics()),
            "metric": {"name": context.metric, "goal": context.goal},
            "stopped": stopped,
            "used": {name: version.version for name, version in self._used.items()},
            "requested": self._requested(),
            "code_version": {"raysweep": __version__, "torch": torch.__version__},
        }
        with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
            path = Path(folder) / TRAINED_MODEL
            save_weights(self._best_weights, path)
            draft = ArtifactDraft(
                name="trained-model",
                type="model",
                description="Trained NN model",
                metadata=metadata,
                files={TRAINED_MODEL: path},
            )
            return run.log_artifact(draft)

    def _requested(self) -> list[str]:
        """What the exact versions were resolved from; a swept one is asked for by its config."""
        config = self._context.config
        stages = ("preprocess", "initialize")
        return [
            f"{name}:latest"
            for name, stage in zip(self._used, stages, strict=True)
            if not sweeps(stage, config)
        ]

    def _end(self, state: RunState, error: str | None = None) -> None:
        self._closed = True
        if self._run is not None:
            self._run.finish(state, error)


_RECORDED_SECTIONS = ("data", "preprocess", "model", "train")
