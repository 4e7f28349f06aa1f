"""The `sweep` section: the part of W&B's sweep schema that raysweep runs.

Source: https://docs.wandb.ai/models/sweeps/sweep-config-keys. Differences: `metric` has a default,
and its `goal` follows from its name; keys for W&B's own queues (AGENT_KEYS) are ignored.
With `program` or `command` its trials are runs of that program, and without `metric` it has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from raysweep.config.budget import Duration
from raysweep.config.early_terminate import Count, EarlyTerminate
from raysweep.config.explain import Loc, mistake
from raysweep.config.pbt import PbtConfig, check_pbt
from raysweep.config.sampler import SamplerConfig
from raysweep.config.section import Section
from raysweep.config.space.distributions import Distribution
from raysweep.config.space.nesting import GROUP, flatten, written_places
from raysweep.config.space.numerals import coerced
from raysweep.config.space.parameter import Parameter
from raysweep.config.sweep_file import AGENT_KEYS, IMPUTE_KEYS, foreign_keys, runs_a_program

GOAL_OF = {
    "train/loss": "minimize",
    "validation/loss": "minimize",
    "validation/accuracy": "maximize",
}
"""The metrics that a trial reports each epoch → their goals."""

MOST_CONFIGURATIONS = 1000
"""Maximal configurations of a sweep that only a budget ends: each is checked before the first one
starts. `run_cap` may allow more."""


def _words(given: Any) -> Any:
    """Take a number in a command, as YAML makes it of `3`, for its text."""
    if not isinstance(given, (list, tuple)):
        return given
    return tuple(str(item) if is_number(item) else item for item in given)


def _paths(given: Any) -> Any:
    if not isinstance(given, (list, tuple)):
        return given
    return tuple(tuple(path) if isinstance(path, list) else path for path in given)


def _numerals(parameter: Any) -> Any:
    """Convert texts that stand beside numbers in `values`."""
    values = parameter.get("values") if isinstance(parameter, Mapping) else None
    if not isinstance(values, (list, tuple)):
        return parameter
    return {**parameter, "values": coerced(values)}


def is_number(item: Any) -> bool:
    """Whether YAML made a number of it."""
    return isinstance(item, (int, float)) and not isinstance(item, bool)


class Metric(Section):
    """The metric that the sweep optimizes and that selects the best trial."""

    name: Annotated[str, Field(min_length=1)]
    """train/loss, validation/loss (mean cross-entropy, nats) or validation/accuracy (percent); with
    a custom trainer, one of its metrics."""

    goal: Literal["minimize", "maximize"]
    """By default what the trainer says: minimize losses, maximize accuracy. In a sweep file alone,
    for an unknown metric: minimize, as in W&B."""

    target: float | None = None
    """The sweep ends once a trial's value is as good as this: running trials stop at the end of
    their epoch. With `repeats`, a configuration's mean must be as good."""

    @model_validator(mode="before")
    @classmethod
    def _without_impute(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: item for key, item in given.items() if key not in IMPUTE_KEYS}

    @model_validator(mode="before")
    @classmethod
    def _goal_of_name(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("name")
        goal = GOAL_OF.get(name, "minimize") if isinstance(name, str) else "minimize"
        return {"goal": goal, **given}


NO_METRIC = Metric.model_construct(name="", goal="minimize", target=None)
"""That of a program's sweep which names none: no trial has a score, and nothing is chosen as
best. A config that is written has null in its place."""


class SweepConfig(Section):
    """Which trials to run, how many, and how to select the best."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """Name of the sweep."""

    description: str | None = None
    """Purpose of the sweep."""

    project: Annotated[str, Field(min_length=1)] | None = None
    """The tracker's project; used if the config does not set tracking.project."""

    entity: Annotated[str, Field(min_length=1)] | None = None
    """W&B's user or team; used if the config does not set tracking.entity."""

    program: Annotated[str, Field(min_length=1)] | None = None
    """A script or executable whose runs are the trials; null: the built-in training."""

    command: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1)] | None, BeforeValidator(_words)
    ] = None
    """The command line of a trial, with W&B's macros; by default ${env} ${interpreter} ${program}
    ${args}."""

    nested: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_paths)] = ()
    """Of a program's parameters, those that the file nests, as paths: the program gets them nested.
    Filled in from the file."""

    method: Literal["grid", "random", "bayes"]
    """grid: all combinations in order. random: random draws. bayes: a sampler, which learns from
    finished trials."""

    metric: Metric = Metric(name="validation/accuracy", goal="maximize")
    """The metric that selects the best trial."""

    run_cap: Count | None = None
    """Maximal number of trials; with `repeats`, of configurations. Random and bayes need it, or one
    of max_trials, max_epochs_total and max_time."""

    parameters: Mapping[str, Parameter]
    """Field → its values. A bare name is a field of `train`; a dotted one names its section, and so
    does a group: `model: {parameters: {dropout: …}}` is model.dropout."""

    early_terminate: EarlyTerminate | None = None
    """When to stop a trial that falls behind; null: never."""

    pbt: PbtConfig | None = None
    """Population-based training: trials that fall behind continue from the checkpoints of others,
    with perturbed values. `run_cap` is the size of the population."""

    sampler: SamplerConfig | None = None
    """Sampler of method bayes: tpe (the default), gp, cmaes, qmc or random; or a mapping of its
    type and options."""

    repeats: Count = 1
    """Trials per configuration, each with its own seed. The configuration with the best mean wins,
    and its best trial's model is tagged. The seeds change the order of the examples and the
    dropout; model.seed sets the initial weights."""

    max_time: Duration | None = None
    """No epoch starts later than this after the start of the sweep: seconds, or "90s", "30m", "2h".
    Running trials finish their current epoch."""

    max_trials: Count | None = None
    """Maximal number of trials, including repeats."""

    max_epochs_total: Count | None = None
    """Maximal number of epochs over all trials."""

    @model_validator(mode="before")
    @classmethod
    def _without_the_agents_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: item for key, item in given.items() if key not in AGENT_KEYS}

    @model_validator(mode="before")
    @classmethod
    def _without_unknown_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        dropped = foreign_keys(given, cls.model_fields)
        return {key: item for key, item in given.items() if key not in dropped}

    @model_validator(mode="before")
    @classmethod
    def _with_nested(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "nested" in given or not runs_a_program(given):
            return given
        places = written_places(given.get("parameters"))
        paths = [[str(key) for key in at if key != GROUP] for at in places.values()]
        return {**given, "nested": [path for path in paths if len(path) > 1]}

    @model_validator(mode="before")
    @classmethod
    def _with_no_metric(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not runs_a_program(given):
            return given
        return given if given.get("metric") else {**given, "metric": NO_METRIC}

    @field_serializer("metric")
    def _metric_as_written(self, metric: Metric) -> dict[str, Any] | None:
        return metric.model_dump() if metric.name else None

    @property
    def runs_a_program(self) -> bool:
        """Whether its trials are runs of a program."""
        return self.program is not None or self.command is not None

    @property
    def has_metric(self) -> bool:
        """Whether trials have a score, by which one is chosen as the best."""
        return bool(self.metric.name)

    @field_validator("parameters", mode="before")
    @classmethod
    def _dotted(cls, given: Any, info: ValidationInfo) -> Any:
        """Flatten groups. A program gets its values as they are written: `1` and `"1"` differ."""
        if not isinstance(given, Mapping):
            return given
        flat = flatten(given)
        return flat if runs_a_program(info.data) else {k: _numerals(v) for k, v in flat.items()}

    @model_validator(mode="after")
    def _can_run(self) -> SweepConfig:
        if self.method != "bayes" and self.sampler is not None:
            text = f"method {self.method} uses no sampler; leave it out, or use method bayes"
            raise mistake(("sampler",), text)
        if self.pbt is not None:
            others = {
                "early_terminate": self.early_terminate is not None,
                "repeats": self.repeats > 1,
            }
            check_pbt(self.method, others)
        self._check_metric()
        self._check_order()
        for name, parameter in self.parameters.items():
            _check_method(("parameters", name), self.method, parameter.build())
        return self

    def _check_metric(self) -> None:
        """Raise a mistake if there is no metric, and something else needs one."""
        needs = {
            "method bayes learns from": self.method == "bayes",
            "early_terminate compares trials by": self.early_terminate is not None,
            "repeats gives the mean of": self.repeats > 1,
        }
        for need in (need for need, there in needs.items() if there and not self.has_metric):
            text = f"missing; {need} a metric that the program logs, so name it"
            raise mistake(("metric",), text)

    def _check_order(self) -> None:
        """Raise a mistake if the order of the sweep cannot decide which trials are stopped."""
        rule, sampler = self.early_terminate, self.sampler or SamplerConfig(type="tpe")
        if rule and rule.order == "sweep" and self.method == "bayes" and sampler.learns:
            text = (
                f"sampler {sampler.type} learns from results as they arrive, so its trials depend "
                "on timing; use method random or grid, or order: arrival"
            )
            raise mistake(("early_terminate", "order"), text)

    @property
    def cap(self) -> int | None:
        """The maximal number of configurations; None: as many as the grid has.

        Without `run_cap` it is one more than the budgets allow at one epoch per trial, so that a
        budget ends the sweep; and at most MOST_CONFIGURATIONS.
        """
        if self.run_cap is not None or self.method == "grid":
            return self.run_cap
        limits = [limit for limit in (self.max_trials, self.max_epochs_total) if limit is not None]
        if limits:
            return min(math.ceil(min(limits) / self.repeats) + 1, MOST_CONFIGURATIONS)
        return None if self.max_time is None else MOST_CONFIGURATIONS

    @property
    def may_end_early(self) -> bool:
        """Whether it may end before its last trial."""
        budgets = (self.metric.target, self.max_time, self.max_epochs_total)
        return any(budget is not None for budget in budgets)

    def space(self) -> dict[str, Distribution]:
        """Map each parameter's name to its distribution, in the order of the file."""
        return {name: parameter.build() for name, parameter in self.parameters.items()}


def _check_method(at: Loc, method: str, distribution: Distribution) -> None:
    """Raise a mistake if the method cannot search such a distribution."""
    if method == "grid" and distribution.size is None:
        text = (
            f"method grid cannot list the values of {distribution.describe()}; "
            "give values, or min, max and a quantum q, or use method random"
        )
        raise mistake(at, text)
