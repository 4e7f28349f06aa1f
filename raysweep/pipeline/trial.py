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

from raysweep.config import Config, apply, field_of
from raysweep.ml import datasets
from raysweep.ml.compute import use_threads
from raysweep.ml.protocols import Adopting, BatchLoss, EpochMetrics, Trainer
from raysweep.ml.seeds import derive_seed
from raysweep.ml.weights import load_weights, save_weights
from raysweep.pipeline import parts
from raysweep.pipeline.checkpoints import log_checkpoint, use_checkpoint
from raysweep.pipeline.context import TRAINED_MODEL, TrialContext
from raysweep.pipeline.inputs import fetch
from raysweep.pipeline.population import Clone, Member
from raysweep.pipeline.selection import best_epoch, without_nan
from raysweep.pipeline.space import sweeps
from raysweep.pipeline.stages import INITIALIZED_MODEL
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run, RunState
from raysweep.version import __version__


class TrialSession:
    """A trial in progress: `step` trains an epoch, `close` logs the model and ends the run.

    The run starts with the first `step`, not before: Ray Tune prepares actors that it never uses.
    """

    def __init__(
        self, context: TrialContext, config: Config, name: str, *, repeat: int = 0
    ) -> None:
        """`config` is the sweep's with this trial's values put in place; `repeat` tells apart, from
        0, the trials of one configuration."""
        self._context = context
        self._config = config
        self._name = name
        self._repeat = repeat
        self._run: Run | None = None
        self._trainer: Trainer | None = None
        self._used: dict[str, ArtifactVersion] = {}
        self._best: EpochMetrics | None = None
        self._best_weights: dict[str, torch.Tensor] = {}
        self._best_config = config
        self._clones: list[dict[str, Any]] = []
        self._cloned: Clone | None = None
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
            else:
                self._clone_if_behind(run, trainer, metrics)
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
    def best_values(self) -> dict[str, Any]:
        """The swept values of `train` at the best epoch: population-based training changes them."""
        return _swept(self._best_config)

    @property
    def cloned(self) -> Clone | None:
        """What the trial goes on from since its latest epoch; None: from itself."""
        return self._cloned

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
            "repeat": self._repeat,
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
        self._data_folder = fetch(context.tracker, data.ref, context.inputs)
        self._model_folder = fetch(context.tracker, model.ref, context.inputs)
        use_threads(context.threads)
        return self._make_trainer()

    def _make_trainer(self) -> Trainer:
        context, config = self._context, self._config
        network = parts.make_network(config.model)
        network.load_state_dict(load_weights(self._model_folder / INITIALIZED_MODEL))
        splits = (
            datasets.read_split(self._data_folder / "training.pt"),
            datasets.read_split(self._data_folder / "validation.pt"),
        )
        return parts.make_trainer(
            config.train, network, splits, self._seed(config), context.device()
        )

    def _seed(self, config: Config) -> int:
        """From the sweep's seed, the trial's config and its repeat; not from what changes no random
        draw. The first repeat has the seed of a trial that is not repeated."""
        train = config.train.model_dump(exclude={"precision", "batch_log_interval"})
        model = config.model.model_dump(mode="json")
        return derive_seed("trial", train, model, *([self._repeat] if self._repeat else []))

    def _epoch(self, run: Run, trainer: Trainer) -> EpochMetrics:
        last, batches = None, 0
        for last in trainer.epoch():
            if isinstance(last, BatchLoss):
                batches += 1
                row = {"epoch": last.epoch, "train/loss": last.loss}
                run.log(row, step=last.examples)
        event = parts.check_metrics(self._config, last)
        metrics = event.as_metrics()
        told = {"train/loss"} if batches else set()
        row = {key: value for key, value in metrics.items() if key not in told}
        run.log(row, step=event.examples)
        self._keep_if_best(event, trainer)
        return event

    def _keep_if_best(self, event: EpochMetrics, trainer: Trainer) -> None:
        """A trial whose metric was never finite keeps its last epoch: lineage needs a model."""
        history = [epoch.as_metrics() for epoch in (self._best, event) if epoch]
        best = best_epoch(history, self._context.metric, self._context.goal)
        if best is None or best is history[-1]:
            self._best = event
            self._best_config = self._config
            self._best_weights = {
                name: tensor.detach().cpu().clone()
                for name, tensor in trainer.model.state_dict().items()
            }

    def _clone_if_behind(self, run: Run, trainer: Trainer, epoch: EpochMetrics) -> None:
        """Population-based training: log a checkpoint, and go on from another's where one is worse.

        The best epoch and its weights stay this trial's own.
        """
        self._cloned = None
        pbt, population = self._context.config.sweep.pbt, self._context.population
        epochs = epoch.epoch + 1
        if pbt is None or population is None or epochs % pbt.interval:
            return
        metadata = {
            "sweep": self._context.sweep.name,
            "trial": self._name,
            "epochs": epochs,
            "values": _swept(self._config),
        }
        ref = log_checkpoint(run, trainer.state_dict(), metadata)
        score = epoch.as_metrics().get(self._context.metric)
        member = Member(self._name, score, ref, _swept(self._config))
        self._cloned = clone = population.report(member, epochs)
        if clone is not None:
            tracker, inputs = self._context.tracker, self._context.inputs
            state = use_checkpoint(run, tracker, clone.checkpoint, inputs)
            self._config = apply(self._context.config, clone.values)
            adopting = self._trainer = self._make_trainer()
            assert isinstance(adopting, Adopting), (
                "the config lets no other be part of a population"
            )
            adopting.adopt(state)
            self._clones.append({"epochs": epochs, **asdict(clone)})
            run.summarize({"clones": self._clones})

    def _finish(self, *, stopped: bool) -> None:
        assert self._run is not None
        if self._best is not None:
            artifact = self._log_model(self._run, self._best, stopped=stopped)
            metrics = without_nan(self._best.as_metrics())
            self._run.summarize({**metrics, "model": artifact.ref, "stopped": stopped})
        self._end("finished")

    def _log_model(self, run: Run, best: EpochMetrics, *, stopped: bool) -> ArtifactVersion:
        context, config = self._context, self._best_config
        metadata = {
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json"),
            "seed": self._seed(config),
            "sweep": context.sweep.name,
            "trial": self._name,
            "repeat": self._repeat,
            "run": run.id,
            "metrics": without_nan(best.as_metrics()),
            "metric": {"name": context.metric, "goal": context.goal},
            "stopped": stopped,
            **({"clones": self._clones} if config.sweep.pbt else {}),
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


def _swept(config: Config) -> dict[str, Any]:
    """The swept fields of `train` as `config` holds them, by their parameters' names."""
    train = config.train.model_dump(mode="json")
    names = {name: field_of(name).removeprefix("train.") for name in config.sweep.parameters}
    return {name: train[field] for name, field in names.items() if field in train}


_RECORDED_SECTIONS = ("data", "preprocess", "model", "train")
