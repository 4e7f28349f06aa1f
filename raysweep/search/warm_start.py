"""`--warm-start`: give the sampler the completed trials of earlier sweeps."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from raysweep.config import (
    SWEPT_SECTIONS,
    Categorical,
    Config,
    Constant,
    Distribution,
    SamplerConfig,
    field_of,
)
from raysweep.config.yaml import read_mapping
from raysweep.errors import UserError
from raysweep.events import WarmStarted
from raysweep.search.samplers import silence_optuna
from raysweep.search.suggest import answer, suggest
from raysweep.storage.storage import Storage
from raysweep.tracking import RunRecord, Tracker
from raysweep.tracking.summary import said


@dataclass(frozen=True)
class WarmStart:
    """The trials that the sampler starts from, and the event for the observer."""

    trials: tuple[FrozenTrial, ...]
    event: WarmStarted

    def to_json(self) -> dict[str, Any]:
        """Convert for the journal: the earlier sweeps may change before this one is resumed."""
        trials = [{"params": trial.params, "value": trial.value} for trial in self.trials]
        return {"trials": trials, **self.event.to_json()}

    @staticmethod
    def from_json(config: Config, noted: Mapping[str, Any]) -> WarmStart:
        """Restore from `to_json`, in a sweep of the same config."""
        distributions = asked(config.sweep.space())
        trials = tuple(
            _completed(distributions, each["params"], each["value"]) for each in noted["trials"]
        )
        event = WarmStarted(tuple(noted["sweeps"]), noted["taken"], noted["passed_over"])
        return WarmStart(trials, event)


class _SkippedError(Exception):
    """Says why the sampler cannot use a trial."""


def _check_learns(config: Config) -> None:
    """Raise UserError if the sweep's sampler does not learn from trials."""
    method, sampler = config.sweep.method, config.sweep.sampler or SamplerConfig(type="tpe")
    if method != "bayes" or not sampler.learns:
        what = f"method {method}" if method != "bayes" else f"sampler {sampler.type}"
        raise UserError(
            f"--warm-start: {what} learns from no trial; use method bayes with sampler tpe, "
            "gp or cmaes, or leave the option out"
        )


@dataclass(frozen=True)
class Earlier:
    """The sweeps to learn from, by name; `names` may be empty."""

    storage: Storage
    names: tuple[str, ...]

    @staticmethod
    def of(storage: Storage, named: Sequence[str], config: Config) -> Earlier:
        """Look up the sweeps that the user named, perhaps by a prefix, which a newer sweep might
        match later. Reads no run. Raises UserError if there is no such sweep, or if the sweep of
        `config` could not learn from it."""
        if named:
            _check_learns(config)
        earlier = Earlier(storage, tuple(storage.find(name).path.name for name in named))
        earlier.check(config)
        return earlier

    def check(self, config: Config) -> None:
        """Raise UserError if one of them belongs to another project."""
        project = config.tracking.project
        for name in self.names:
            earlier = self.storage.find(name).record().project
            if earlier != project:
                raise UserError(
                    f"--warm-start {name}: it is of project {earlier}, and this sweep of "
                    f"{project}; set tracking.project={earlier}, or name another sweep"
                )

    def read(self, config: Config, tracker: Tracker, data: str | None) -> WarmStart | None:
        """Read the completed trials that fit this sweep. Return None if no sweep is named.

        A trial fits if its swept values lie within the space, its other values are equal, and it
        used `data` (`name:vK`; None if the data is swept). Trials with equal values, such as
        repeats, become one trial with their mean score.
        """
        if not self.names:
            return None
        skipped: Counter[str] = Counter()
        scores: dict[tuple[Any, ...], list[float]] = {}
        distributions = asked(config.sweep.space())
        for run, metric in self._trials(tracker):
            try:
                params, score = _usable(config, run, metric, data)
            except _SkippedError as why:
                skipped[str(why)] += 1
            else:
                scores.setdefault(tuple(params[name] for name in distributions), []).append(score)
        trials = tuple(
            _completed(
                distributions,
                dict(zip(distributions, values, strict=True)),
                statistics.fmean(same),
            )
            for values, same in scores.items()
        )
        taken = sum(map(len, scores.values()))
        return WarmStart(trials, WarmStarted(self.names, taken, dict(skipped)))

    def _trials(self, tracker: Tracker) -> Iterator[tuple[RunRecord, str]]:
        """Yield every trial of those sweeps, with the metric of its sweep."""
        for name in dict.fromkeys(self.names):
            folder = self.storage.find(name)
            section = read_mapping(folder.path / "config.yaml")["sweep"]
            metric = (section["metric"] or {}).get("name", "")
            for run in tracker.runs(name):
                if run.job_type == "train":
                    yield run, metric


def asked(space: Mapping[str, Distribution]) -> dict[str, BaseDistribution]:
    """Map each parameter to its Optuna distribution; constants have none."""
    silence_optuna()
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    suggest(space, trial)
    return dict(trial.distributions)


def _completed(
    distributions: Mapping[str, BaseDistribution], params: Mapping[str, Any], score: float
) -> FrozenTrial:
    return optuna.trial.create_trial(
        params=dict(params), distributions=dict(distributions), value=score
    )


def _usable(
    config: Config, run: RunRecord, metric: str, data: str | None
) -> tuple[dict[str, Any], float]:
    """Convert a trial to Optuna's parameters and its score. Raises _SkippedError."""
    if metric != config.sweep.metric.name:
        raise _SkippedError(f"another metric ({metric})")
    if run.state != "finished" or said(run.summary, "stopped") is not False:
        raise _SkippedError("not completed")
    if data is not None and data not in run.used:
        raise _SkippedError("other data")
    if said(run.summary, "clones"):
        raise _SkippedError("its values changed on the way")
    score = run.summary.get(metric)
    if score is None or not math.isfinite(score):
        raise _SkippedError(f"no finite {metric}")
    _compare_the_rest(config, run.config)
    params = {}
    for name, distribution in config.sweep.space().items():
        value = _value(run.config, name)
        try:
            params[name] = answer(_as_held(config, name, distribution), value)
        except (ValueError, TypeError):
            raise _SkippedError(f"{name} outside the space") from None
    return params, float(score)


def _compare_the_rest(config: Config, recorded: Mapping[str, Any]) -> None:
    """Raise _SkippedError if a field that is not swept now had another value then."""
    swept = {field_of(name) for name in config.sweep.parameters}
    for section in SWEPT_SECTIONS:
        then = recorded.get(section, {})
        for field, now in getattr(config, section).model_dump(mode="json").items():
            name = f"{section}.{field}"
            if name not in swept | _OF_NO_WEIGHT and field in then and then[field] != now:
                raise _SkippedError(f"another {name}")


_OF_NO_WEIGHT = frozenset(
    {
        *("data.root", "data.fallback", "train.precision", "train.batch_log_interval"),
        *("train.seed", "model.seed"),
    }
)
"""Fields that do not change what a trial's score means."""


def _value(recorded: Mapping[str, Any], name: str) -> Any:
    found: Any = recorded
    for key in field_of(name).split("."):
        if not isinstance(found, Mapping) or key not in found:
            raise _SkippedError(f"no {name} recorded")
        found = found[key]
    return found


def _as_held(config: Config, name: str, distribution: Distribution) -> Distribution:
    """Convert the distribution's values to what the config holds: null may be "none"."""
    fields = config.fields()
    match distribution:
        case Categorical(choices, odds):
            return Categorical(tuple(fields.as_held(name, choice) for choice in choices), odds)
        case Constant(value):
            return Constant(fields.as_held(name, value))
    return distribution
