"""`--warm-start`: earlier sweeps' completed trials, as what the sampler has seen already."""

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
from raysweep.search.samplers import hush
from raysweep.search.suggest import answer, suggest
from raysweep.storage.storage import Storage
from raysweep.tracking import RunRecord, Tracker
from raysweep.tracking.summary import said


@dataclass(frozen=True)
class WarmStart:
    """What the sampler starts from, and the word on it for whoever watches."""

    trials: tuple[FrozenTrial, ...]
    told: WarmStarted

    def to_json(self) -> dict[str, Any]:
        """For the journal: the earlier sweeps may grow, or go, before this one is resumed."""
        trials = [{"params": trial.params, "value": trial.value} for trial in self.trials]
        return {"trials": trials, **self.told.to_json()}

    @staticmethod
    def from_json(config: Config, noted: Mapping[str, Any]) -> WarmStart:
        """Read `to_json` back, in a sweep of the same config."""
        distributions = asked(config.sweep.space())
        trials = tuple(
            _completed(distributions, each["params"], each["value"]) for each in noted["trials"]
        )
        told = WarmStarted(tuple(noted["sweeps"]), noted["taken"], noted["passed_over"])
        return WarmStart(trials, told)


class _PassedOverError(Exception):
    """Why a trial is of no use to the sampler."""


def _check_learns(config: Config) -> None:
    """Raise UserError where the sweep's sampler learns from no trial."""
    method, sampler = config.sweep.method, config.sweep.sampler or SamplerConfig(type="tpe")
    if method != "bayes" or not sampler.learns:
        what = f"method {method}" if method != "bayes" else f"sampler {sampler.type}"
        raise UserError(
            f"--warm-start: {what} learns from no trial; use method bayes with sampler tpe, "
            "gp or cmaes, or leave the option out"
        )


@dataclass(frozen=True)
class Earlier:
    """The sweeps to learn from, by name; none where `names` is empty."""

    storage: Storage
    names: tuple[str, ...]

    @staticmethod
    def of(storage: Storage, named: Sequence[str], config: Config) -> Earlier:
        """Look up the sweeps that the user named, perhaps by how their names begin, before a newer
        one begins so, too. Raises UserError where there is none, and unless the sweep of `config`
        could learn from them. Reads no run."""
        if named:
            _check_learns(config)
        earlier = Earlier(storage, tuple(storage.find(name).path.name for name in named))
        earlier.check(config)
        return earlier

    def check(self, config: Config) -> None:
        """Raise UserError where one is of another project."""
        ours = config.tracking.project
        for name in self.names:
            theirs = self.storage.find(name).record().project
            if theirs != ours:
                raise UserError(
                    f"--warm-start {name}: it is of project {theirs}, and this sweep of {ours}; "
                    f"set tracking.project={theirs}, or name another sweep"
                )

    def read(self, config: Config, tracker: Tracker, data: str | None) -> WarmStart | None:
        """Their completed trials that fit this sweep: within its space, of the same values where it
        sweeps none, and on `data` (`name:vK`; None where that is swept, too). None where no sweep
        is named.

        Trials of equal values, such as repeats, are one to the sampler, with their mean score.
        """
        if not self.names:
            return None
        passed_over: Counter[str] = Counter()
        scores: dict[tuple[Any, ...], list[float]] = {}
        distributions = asked(config.sweep.space())
        for run, metric in self._trials(tracker):
            try:
                params, score = _usable(config, run, metric, data)
            except _PassedOverError as why:
                passed_over[str(why)] += 1
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
        return WarmStart(trials, WarmStarted(self.names, taken, dict(passed_over)))

    def _trials(self, tracker: Tracker) -> Iterator[tuple[RunRecord, str]]:
        """Every trial of those sweeps, with the metric that its sweep chose by."""
        for name in dict.fromkeys(self.names):
            folder = self.storage.find(name)
            metric = read_mapping(folder.path / "config.yaml")["sweep"]["metric"]["name"]
            for run in tracker.runs(name):
                if run.job_type == "train":
                    yield run, metric


def asked(space: Mapping[str, Distribution]) -> dict[str, BaseDistribution]:
    """What Optuna is asked for each parameter, in Optuna's terms; of a constant, nothing."""
    hush()
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
    """A trial's answers in Optuna's terms and its score. Raises _PassedOverError."""
    if metric != config.sweep.metric.name:
        raise _PassedOverError(f"another metric ({metric})")
    if run.state != "finished" or said(run.summary, "stopped") is not False:
        raise _PassedOverError("not completed")
    if data is not None and data not in run.used:
        raise _PassedOverError("other data")
    if said(run.summary, "clones"):
        raise _PassedOverError("its values changed on the way")
    score = run.summary.get(metric)
    if score is None or not math.isfinite(score):
        raise _PassedOverError(f"no finite {metric}")
    _compare_the_rest(config, run.config)
    params = {}
    for name, distribution in config.sweep.space().items():
        value = _value(run.config, name)
        try:
            params[name] = answer(_as_held(config, name, distribution), value)
        except (ValueError, TypeError):
            raise _PassedOverError(f"{name} outside the space") from None
    return params, float(score)


def _compare_the_rest(config: Config, recorded: Mapping[str, Any]) -> None:
    """Raise _PassedOverError where a field that is not swept now had another value then."""
    swept = {field_of(name) for name in config.sweep.parameters}
    for section in SWEPT_SECTIONS:
        then = recorded.get(section, {})
        for field, now in getattr(config, section).model_dump(mode="json").items():
            name = f"{section}.{field}"
            if name not in swept | _OF_NO_WEIGHT and field in then and then[field] != now:
                raise _PassedOverError(f"another {name}")


_OF_NO_WEIGHT = frozenset(
    {
        *("data.root", "data.fallback", "train.precision", "train.batch_log_interval"),
        *("train.seed", "model.seed"),
    }
)
"""Fields that do not make a trial's score another's."""


def _value(recorded: Mapping[str, Any], name: str) -> Any:
    found: Any = recorded
    for key in field_of(name).split("."):
        if not isinstance(found, Mapping) or key not in found:
            raise _PassedOverError(f"no {name} recorded")
        found = found[key]
    return found


def _as_held(config: Config, name: str, distribution: Distribution) -> Distribution:
    """Its values as the config holds and records them: null may be "none"."""
    fields = config.fields()
    match distribution:
        case Categorical(choices, odds):
            return Categorical(tuple(fields.as_held(name, choice) for choice in choices), odds)
        case Constant(value):
            return Constant(fields.as_held(name, value))
    return distribution
