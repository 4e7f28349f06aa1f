"""What W&B's agents get of a sweep: values from our samplers, and which runs stop early.

It implements the endpoint's port `Search`, for `exec`: there the processes are the agents', and not
Ray's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import islice

from pydantic import ValidationError

from raysweep.config import SamplerConfig, SweepConfig
from raysweep.config.explain import found, to_config_error
from raysweep.config.space.nesting import as_written
from raysweep.config.trials import (
    MOST_LISTED,
    Grid,
    checked_size,
    combinations,
    configurations,
)
from raysweep.config.yaml import parse_document
from raysweep.errors import ConfigError
from raysweep.search.brackets import Brackets
from raysweep.search.median import MedianRule
from raysweep.search.suggestions import Listed, Source, Suggested, Values
from raysweep.tracking.port import Json
from raysweep.tracking.sweeps import Metric
from raysweep.trials.program.judged import metric_of
from raysweep.trials.program.process.command import nested
from raysweep.trials.program.scores import flat_summary, numbers

SEED = 0
"""What `train.seed` is by default: a sweep here has no such section."""


class AgentSearch:
    """See Search. The client sorts the parameters by name; with them sorted in a file, too, `run`
    tries the same values."""

    def __init__(self, sweep: SweepConfig, metric: Metric | None) -> None:
        """`metric`: None where the file names none. Raises ConfigError for more configurations than
        can run."""
        self._sweep = sweep
        self.metric = metric
        self.expected = _most(sweep)
        if sweep.method == "bayes":
            self._source: Source = _sampled(sweep)
        else:
            listed = _listed(sweep, self.expected)
            self._source = Listed(listed)
            if self.expected is not None or len(listed) < MOST_LISTED:
                self.expected = len(listed)
        self._rule = _rule(sweep)
        self._steps: dict[str, int] = {}

    def next(self) -> Values | None:
        """See Search."""
        return self._source.next()

    def next_again(self, values: Values) -> Values:
        """See Search."""
        return self._source.next_again(values)

    def tell(self, number: int, score: float | None) -> None:
        """See Search."""
        self._source.tell(number, score)

    def report(self, run: str, row: Mapping[str, Json]) -> bool:
        """See Search. Each row with the metric is a step."""
        if self._rule is None or self.metric is None:
            return False
        value = numbers(row).get(self.metric.name)
        if value is None:
            return False
        step = self._steps[run] = self._steps.get(run, 0) + 1
        self._rule.report(run, step, value)
        if isinstance(self._rule, MedianRule):
            return self._rule.falls_behind(run, step)
        return self._rule.falls_behind(run)

    def forget(self, run: str) -> None:
        """See Search."""
        self._steps.pop(run, None)
        if self._rule is not None:
            self._rule.forget(run)

    def score(self, summary: Mapping[str, Json]) -> float | None:
        """See Search."""
        if self.metric is None:
            return None
        value = flat_summary(summary).get(self.metric.name)
        return value if value is not None and abs(value) < float("inf") else None

    def arguments(self, values: Values) -> dict[str, Json]:
        """See Search."""
        return nested(values, self._sweep.nested)


def agent_search(text: str) -> AgentSearch:
    """Make what decides the sweep of this config, in YAML, as W&B's client sends it.

    Raises ConfigError, in one line, for one that cannot be run here.
    """
    given = parse_document(text, "sweep").value
    if not isinstance(given, dict):
        shown = "nothing" if given is None else found(given)
        raise ConfigError(f"sweep: expected a mapping of keys to values, got {shown}")
    written = as_written(given.get("parameters"), ("parameters",))
    try:  # `program` makes its parameters a program's: whatever their names are
        sweep = SweepConfig.model_validate({**given, "program": given.get("program") or "function"})
    except ValidationError as error:
        raise to_config_error(error, SweepConfig, lambda _: "sweep: ", written) from None
    rule = sweep.early_terminate
    needs_metric = sweep.method == "bayes" or rule is not None
    for key, refused in {
        "metric": needs_metric and not given.get("metric"),
        "pbt": sweep.pbt is not None,
        "repeats": sweep.repeats > 1,
        "early_terminate.order": rule is not None and rule.order == "sweep",
    }.items():
        if refused:
            raise ConfigError(f"sweep: {key}: {_REFUSALS[key]}")
    return AgentSearch(sweep, metric_of(given))


_REFUSALS = {
    "metric": "missing; name a metric that the program logs",
    "pbt": "the runs of an agent are no population; use method bayes",
    "repeats": "an agent runs each configuration once; leave it out, or use `raysweep run`",
    "early_terminate.order": "an agent's run cannot wait for others; use order: arrival",
}


def _listed(sweep: SweepConfig, most: int | None) -> Sequence[Values]:
    """Return the configurations of a grid, each made when it is asked for, or of random."""
    count = checked_size(sweep)
    if count is not None:
        return Grid(sweep.space(), count if most is None else min(count, most))
    return list(islice(configurations(sweep, SEED), min(most or MOST_LISTED, MOST_LISTED)))


def _sampled(sweep: SweepConfig) -> Source:
    from raysweep.search.samplers import make_sampler, silence_optuna

    silence_optuna()
    sampler = make_sampler(sweep.sampler or SamplerConfig(type="tpe"), SEED)
    return Suggested(sweep.space(), sampler, sweep.metric.goal)


def _most(sweep: SweepConfig) -> int | None:
    """Return how many configurations there may be; None: no end."""
    size = combinations(sweep)
    if sweep.method == "bayes" or size is None:
        size = sys.maxsize
    most = min(size, *(cap or sys.maxsize for cap in (sweep.run_cap, sweep.max_trials)))
    return None if most == sys.maxsize else most


def _rule(sweep: SweepConfig) -> Brackets | MedianRule | None:
    rule, goal = sweep.early_terminate, sweep.metric.goal
    if rule is None:
        return None
    if rule.type == "median":
        return MedianRule(goal, rule.min_iter or 1)
    return Brackets(rule.brackets(None), eta=rule.eta, goal=goal, strict=rule.strict)
