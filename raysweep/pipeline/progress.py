"""Ray Tune's callbacks, turned into the sweep's own events and kept as its leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError

from raysweep.config import Config
from raysweep.pipeline import space
from raysweep.pipeline.events import Observer, TrialState, TrialUpdated, silent
from raysweep.pipeline.trainable import TrialSpec


class Progress(tune.Callback):
    """The latest word on every trial, told to the observer as it comes."""

    def __init__(self, config: Config, observer: Observer) -> None:
        self._config = config
        self._observer = observer
        self._trials: dict[int, TrialUpdated] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune saves its callbacks with its state; whoever watches stays in this process."""
        return {**self.__dict__, "_observer": silent}

    @property
    def trials(self) -> list[TrialUpdated]:
        """In the order of the sweep."""
        return [self._trials[index] for index in sorted(self._trials)]

    def fail(self, index: int, error: str) -> None:
        """Take back that a trial finished."""
        self._tell(replace(self._trials[index], state="failed", error=error))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(self._row(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        keys = ("epoch", *self._config.goals())
        metrics = {key: result[key] for key in keys if key in result}
        row, best = self._row(trial), result.get("best")
        row = replace(row, epoch=row.epoch + 1, metrics=metrics, best=best)
        if self._config.sweep.pbt is not None:  # the values change on the way
            row = replace(row, overrides=result["values"], cloned=result["cloned"])
        self._tell(row)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        row = self._row(trial)
        state: TrialState = "completed" if row.epoch >= row.epochs else "stopped"
        self._tell(replace(row, state=state))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(replace(self._row(trial), state="failed", error=_cause(trial)))

    def _row(self, trial: Any) -> TrialUpdated:
        spec = TrialSpec.from_config(trial.config)
        if spec.index not in self._trials:
            epochs = space.epochs_of(self._config, spec.overrides)
            return TrialUpdated(
                spec.index, spec.name, "running", spec.overrides, 0, epochs, repeat=spec.repeat
            )
        return self._trials[spec.index]

    def _tell(self, row: TrialUpdated) -> None:
        self._trials[row.index] = row
        self._observer(row)


def _cause(trial: Any) -> str:
    """The exception that ended the trial, in one line, without Ray's wrapping.

    Tune's own getters look in the storage, where the file is not yet.
    """
    if trial.pickled_error_file is None:
        return "ended without a word"
    error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    if isinstance(error, RayActorError):
        return "the trial's process died: killed, or out of memory"
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
