"""One training trial: the tracker's run, the training, the model of its best epoch.

Plain Python: `trainable` wraps it for Ray Tune, and a test can step it by hand.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from typing import Any

import torch

from raysweep.cluster import signals
from raysweep.cluster.signals import is_interrupt
from raysweep.config import Config, apply
from raysweep.config.raised import whole_cause
from raysweep.errors import TrackingError
from raysweep.ml import datasets
from raysweep.ml.compute import auto_means, keep_freed_memory, use_threads
from raysweep.ml.protocols import Adopting, BatchLoss, EpochMetrics, Trainer
from raysweep.ml.weights import load_weights
from raysweep.search.population import Clone, Member
from raysweep.search.spec import TrialSpec
from raysweep.selection import without_nan
from raysweep.stages import parts
from raysweep.stages.stages import INITIALIZED_MODEL
from raysweep.tracking import ArtifactVersion, Run, RunState
from raysweep.tracking.port import STALE_ERRORS
from raysweep.tracking.summary import beside
from raysweep.trials.best_so_far import BestSoFar
from raysweep.trials.clones import log_checkpoint, use_checkpoint
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import fetch
from raysweep.trials.last_state import last_state
from raysweep.trials.reports import EpochReport
from raysweep.trials.trained_model import log_model
from raysweep.trials.values import computed_in, recorded, seed_of, swept_values


def open_trial(context: TrialContext, spec: TrialSpec) -> TrialSession:
    """Make the trial ready to be stepped, in this process."""
    config = apply(context.config, spec.overrides)
    return TrialSession(context, config, spec.name, repeat=spec.repeat, told=spec.told)


class TrialSession:
    """A trial in progress: `step` trains an epoch, `close` logs the model and ends the run.

    The run starts with the first `step`, not before: Ray Tune prepares actors that it never uses.

    After each epoch (or each `resources.checkpoint_every`) a checkpoint is kept, before anyone is
    told of the epoch. A process that goes on from it first tells what the one before it could not,
    and trains on from there, as the same run: rows that were logged after the checkpoint go, and
    come again. Epochs that were told and are in no checkpoint that can be used are trained again,
    and not told again: from the last one that can, or from the beginning.
    """

    def __init__(
        self,
        context: TrialContext,
        config: Config,
        name: str,
        *,
        repeat: int = 0,
        told: int | None = None,
    ) -> None:
        """`config` is the sweep's with this trial's values put in place; `repeat` tells apart, from
        0, the trials of one configuration. `told`: of how many epochs the driver knows, where an
        earlier process had the trial; None: none had."""
        self._context = context
        self._config = self._first_config = config
        self._name = name
        self._repeat = repeat
        self._continued = told is not None
        self._told = told or 0
        self._run: Run | None = None
        self._trainer: Trainer | None = None
        self._used: dict[str, ArtifactVersion] = {}
        self._reports: list[EpochReport] = []
        self._best = BestSoFar(config, context.metric, context.goal)
        self._clones: list[dict[str, Any]] = []
        self._closed = False

    def step(self) -> dict[str, float]:
        """Train one epoch and return its metrics; the last epoch also logs the model.

        Whatever is raised ends the run as failed, with its cause and place, and is raised again:
        parts of the user's own may raise anything. Only a signal ends it otherwise.
        """
        try:
            self._open()
            self._catch_up()
            if self._told == len(self._reports):
                self._train()
            elif self._reports[self._told].member is not None:
                self._offer_again(self._reports[self._told])
            self._told += 1
            if self.done:
                self._finish(stopped=False)
        except BaseException as error:
            if isinstance(error, Exception) and signals.interrupted():  # local mode, as below
                self._end("interrupted", STALE_ERRORS["interrupted"])
                raise KeyboardInterrupt from error
            if not is_interrupt(error):
                self._end("failed", whole_cause(error))
            elif isinstance(error, KeyboardInterrupt):  # in local mode: else the driver's alone
                self._end("interrupted", STALE_ERRORS["interrupted"])
            raise
        return dict(self.report.metrics)

    def close(self) -> None:
        """End the trial where it stands: one stopped early logs the model of its best epoch."""
        if self._run is not None and not self._closed:
            try:
                self._finish(stopped=not self.done)
                self._context.checkpoints.forget(self._name)
            except Exception as error:
                self._end("failed", whole_cause(error))
                raise

    def pause(self) -> None:
        """Leave it where its last checkpoint is: any process may go on with it from there."""
        self._end("interrupted", STALE_ERRORS["interrupted"])

    def close_again(self) -> None:
        """End a trial that had ended, and whose process died before it had logged the model."""
        self._open()
        self._catch_up()
        self.close()

    @property
    def report(self) -> EpochReport:
        """What the latest `step` came to."""
        return self._reports[self._told - 1]

    @property
    def told(self) -> int:
        """How many epochs the driver knows of."""
        return self._told

    @property
    def best(self) -> EpochMetrics | None:
        """The epoch whose model is (or will be) logged; None before the first."""
        return self._best.epoch

    @property
    def done(self) -> bool:
        """Whether the trainer said that it is done, and all epochs were returned by `step`."""
        reports = self._reports
        return bool(reports) and reports[-1].last and self._told == len(reports)

    def _open(self) -> tuple[Run, Trainer]:
        if self._run is None or self._trainer is None:
            state = last_state(self._context, self._name) if self._continued else None
            if state is not None:
                self._restore(state)
            examples = self._reports[-1].examples if self._reports else 0
            begun = self._continued or self._context.resumed
            self._run = self._start_run(after=examples if begun else None)
            self._trainer = self._load(self._run, state["used"] if state else self._inputs())
            if state is not None:
                self._trainer.load_state_dict(state["trainer"])
        return self._run, self._trainer

    def _catch_up(self) -> None:
        """Train again what was told, and what no checkpoint has."""
        while len(self._reports) < self._told:
            self._train()

    def _train(self) -> None:
        assert self._run is not None and self._trainer is not None
        self._reports.append(self._report(self._run, self._trainer))
        epochs = len(self._reports)
        if epochs % self._context.config.resources.checkpoint_every == 0:
            state = self._state()
            if epochs == self._context.config.resources.checkpoint_every:
                parts.check_state(self._config, state)
            self._context.checkpoints.keep(self._name, epochs, state)

    def _state(self) -> memoryview:
        """Everything to continue bit for bit in another process, as torch.save writes it."""
        assert self._trainer is not None
        state = {
            "trainer": self._trainer.state_dict(),
            "reports": [report.plain() for report in self._reports],
            "best": self._best.state_dict(),
            "values": swept_values(self._config),
            "best_values": swept_values(self._best.config),
            "clones": self._clones,
            "used": [version.ref for version in self._used.values()],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getbuffer()

    def _restore(self, state: Mapping[str, Any]) -> None:
        """All of `_state` but the trainer's own."""
        self._reports = [EpochReport(**report) for report in state["reports"]]
        best_config = self._config
        if state["clones"]:
            self._clones = list(state["clones"])
            self._config = apply(self._context.config, state["values"])
            best_config = apply(self._context.config, state["best_values"])
        self._best.load_state_dict(state["best"], best_config)

    def _start_run(self, after: int | None) -> Run:
        sweep = self._context.sweep
        config = recorded(self._first_config, sweep.name, self._name, self._repeat)
        config |= computed_in(self._first_config, self._context.precision)
        return self._context.tracker.start_run(sweep.run(self._name, "train", config), after)

    def _inputs(self) -> tuple[str, str]:
        """What a trial that begins starts from: its data and its untrained model."""
        versions = self._context.versions(self._config)
        return versions.data.ref, versions.model.ref

    def _load(self, run: Run, refs: Sequence[str]) -> Trainer:
        context = self._context
        data, model = (run.use_artifact(ref) for ref in refs)
        self._used = {data.name: data, model.name: model}
        self._data_folder = fetch(context.tracker, data.ref, context.inputs)
        self._model_folder = fetch(context.tracker, model.ref, context.inputs)
        use_threads(context.threads)
        auto_means(context.precision)
        keep_freed_memory()
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
            config.train, network, splits, seed_of(config, self._repeat), context.device()
        )

    def _report(self, run: Run, trainer: Trainer) -> EpochReport:
        """Train an epoch and, in a population, go on from another's where that is better."""
        epoch = self._epoch(run, trainer)
        run.flush()
        report = EpochReport(
            epochs=len(self._reports) + 1,
            examples=epoch.examples,
            metrics=epoch.as_metrics(),
            best=self._best.epoch.as_metrics() if self._best.epoch else None,
            last=bool(trainer.done),
        )
        pbt, population = self._context.config.sweep.pbt, self._context.population
        if pbt is None or population is None:
            return report
        values = swept_values(self._best.config)
        if report.last or report.epochs % pbt.interval:
            return replace(report, values=values)
        member = self._offer(run, trainer, report)
        clone = population.report(member, report.epochs)
        if clone is not None:
            self._adopt(run, clone, report.epochs)
        cloned = None if clone is None else asdict(clone)
        return replace(report, values=values, cloned=cloned, member=asdict(member))

    def _epoch(self, run: Run, trainer: Trainer) -> EpochMetrics:
        told: set[str] = set()
        named_epoch = "epoch" in self._config.goals()  # a metric of that name is the trainer's
        for event in parts.events_of(self._config, trainer):
            if isinstance(event, BatchLoss):
                told = {"train/loss"}
                row = {} if named_epoch else {"epoch": event.epoch}
                run.log({**row, "train/loss": event.loss}, step=event.examples)
        assert isinstance(event, EpochMetrics), "events_of ends with it"
        metrics = event.as_metrics()
        run.log({key: metrics[key] for key in metrics if key not in told}, step=event.examples)
        self._best.see(event, trainer, self._config)
        return event

    def _offer(self, run: Run, trainer: Trainer, report: EpochReport) -> Member:
        """Log a checkpoint that others of the population may go on from."""
        values = swept_values(self._config)
        metadata = {
            "sweep": self._context.sweep.name,
            "trial": self._name,
            "epochs": report.epochs,
            "values": values,
        }
        ref = log_checkpoint(run, trainer.state_dict(), metadata)
        return Member(self._name, report.metrics.get(self._context.metric), ref, values)

    def _offer_again(self, report: EpochReport) -> None:
        """Of an epoch that the driver does not know of, its population may not know either."""
        assert self._context.population is not None and report.member is not None
        self._context.population.report(Member(**report.member), report.epochs)

    def _adopt(self, run: Run, clone: Clone, epochs: int) -> None:
        """Go on as another. The best epoch and its weights stay this trial's own."""
        tracker, inputs = self._context.tracker, self._context.inputs
        state = use_checkpoint(run, tracker, clone.checkpoint, inputs)
        self._config = apply(self._context.config, clone.values)
        adopting = self._trainer = self._make_trainer()
        assert isinstance(adopting, Adopting), "the config lets no other be part of a population"
        adopting.adopt(state)
        self._clones.append({"epochs": epochs, **asdict(clone)})
        run.summarize(beside(self._config.goals(), {"clones": self._clones}))

    def _finish(self, *, stopped: bool) -> None:
        assert self._run is not None
        if self._best.epoch is not None:
            artifact = self._log_model(self._run, self._best.epoch, stopped=stopped)
            metrics = without_nan(self._best.epoch.as_metrics())
            own = {"model": artifact.ref, "stopped": stopped}
            self._run.summarize({**metrics, **beside(metrics, own)})
        self._end("finished")

    def _log_model(self, run: Run, best: EpochMetrics, *, stopped: bool) -> ArtifactVersion:
        config = self._best.config
        made_by = {
            "model": config.model.model_dump(mode="json"),
            "train": config.train.model_dump(mode="json"),
            "seed": seed_of(config, self._repeat),
            "trial": self._name,
            "repeat": self._repeat,
            "metrics": without_nan(best.as_metrics()),
            "stopped": stopped,
            **computed_in(config, self._context.precision),
            **({"clones": self._clones} if config.sweep.pbt else {}),
        }
        return log_model(run, self._context, self._best.weights, self._used, made_by)

    def _end(self, state: RunState, error: str | None = None) -> None:
        self._closed = True
        if self._run is not None:
            with nullcontext() if error is None else suppress(TrackingError):
                self._run.finish(state, error)  # what went wrong first is what is told
