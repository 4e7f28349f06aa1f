"""Ray Tune's callbacks, turned into the sweep's own events and kept as its leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ray import tune

from raysweep.config import Config, apply
from raysweep.pipeline.events import Observer, TrialState, TrialUpdated
from raysweep.pipeline.trainable import overrides_of, trial_index, trial_name


class Progress(tune.Callback):  # type: ignore[misc]  # Ray's class carries no types
    """The latest word on every trial, told to the observer as it comes."""

    def __init__(self, config: Config, observer: Observer) -> None:
        self._config = config
        self._observer = observer
        self._trials: dict[int, TrialUpdated] = {}

    @property
    def trials(self) -> list[TrialUpdated]:
        """In the order of the sweep."""
        return [self._trials[index] for index in sorted(self._trials)]

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(self._row(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        keys = ("epoch", "train/loss", "validation/loss", "validation/accuracy")
        metrics = {key: result[key] for key in keys if key in result}
        row = self._row(trial)
        self._tell(replace(row, epoch=row.epoch + 1, metrics=metrics, best=result.get("best")))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        row = self._row(trial)
        state: TrialState = "completed" if row.epoch >= row.epochs else "stopped"
        self._tell(replace(row, state=state))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(replace(self._row(trial), state="failed", error=_cause(trial)))

    def _row(self, trial: Any) -> TrialUpdated:
        index = trial_index(trial.trial_id)
        if index not in self._trials:
            overrides = overrides_of(trial.config)
            epochs = apply(self._config, overrides).train.epochs
            return TrialUpdated(index, trial_name(index), "running", overrides, 0, epochs)
        return self._trials[index]

    def _tell(self, row: TrialUpdated) -> None:
        self._trials[row.index] = row
        self._observer(row)


def _cause(trial: Any) -> str:
    """The exception that ended the trial, in one line, without Ray's wrapping."""
    error = trial.get_pickled_error() or trial.get_error()
    while getattr(error, "cause", None) is not None:
        error = error.cause
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}".rstrip(": ")
