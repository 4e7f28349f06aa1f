"""The `sweep` section: W&B's sweep schema, as far as raysweep runs it.

Source: https://docs.wandb.ai/models/sweeps/sweep-config-keys. What differs: `metric` has a default,
and its `goal` follows from its name; what steers W&B's own agents (AGENT_KEYS) is read over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from raysweep.config.budget import Duration
from raysweep.config.early_terminate import Count, EarlyTerminate
from raysweep.config.explain import Loc, mistake
from raysweep.config.pbt import PbtConfig, check_pbt
from raysweep.config.sampler import SamplerConfig
from raysweep.config.section import Section
from raysweep.config.space.distributions import Distribution
from raysweep.config.space.nesting import flatten
from raysweep.config.space.parameter import Parameter

GOAL_OF = {
    "train/loss": "minimize",
    "validation/loss": "minimize",
    "validation/accuracy": "maximize",
}
"""The metrics that a trial reports each epoch → which way is better."""

AGENT_KEYS = (
    "program",
    "command",
    "controller",
    "job",
    "image_uri",
    "scheduler",
    "apiVersion",
    "kind",
)
"""Keys that say what W&B's own agents and launch queues would start. A notice tells of them."""

MOST_CONFIGURATIONS = 1000
"""Of a sweep that only a budget ends: each is checked before the first one starts. For more there
is `run_cap`."""


class Metric(Section):
    """What the sweep optimizes, and what the best trial is chosen on."""

    name: Annotated[str, Field(min_length=1)]
    """train/loss, validation/loss (mean cross-entropy, nats) or validation/accuracy (percent); of a
    trainer of one's own, one of its metrics."""

    goal: Literal["minimize", "maximize"]
    """Which way is better. By default what the trainer says: losses down, accuracy up. In a sweep
    file by itself, of a metric that is not known here: down, as in W&B."""

    target: float | None = None
    """Once a trial's value is as good as this, the sweep ends: running trials stop at the end of
    their epoch. With `repeats`, once a configuration's mean is."""

    @model_validator(mode="before")
    @classmethod
    def _goal_of_name(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("name")
        goal = GOAL_OF.get(name, "minimize") if isinstance(name, str) else "minimize"
        return {"goal": goal, **given}


class SweepConfig(Section):
    """Which trials to run, how many, and what to choose the best on."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """What the sweep is called."""

    description: str | None = None
    """What the sweep is for."""

    project: Annotated[str, Field(min_length=1)] | None = None
    """The tracker's project: tracking.project, where the config does not name one."""

    entity: Annotated[str, Field(min_length=1)] | None = None
    """W&B's user or team: tracking.entity, where the config does not name one."""

    method: Literal["grid", "random", "bayes"]
    """All combinations in order; draws; or a sampler, which learns from finished trials."""

    metric: Metric = Metric(name="validation/accuracy", goal="maximize")
    """What the best trial is chosen on."""

    run_cap: Count | None = None
    """Number of trials at most; with `repeats`, of configurations. Random and bayes need it, or
    one of max_trials, max_epochs_total and max_time."""

    parameters: Mapping[str, Parameter]
    """Field → its values. A bare name is a field of `train`; a dotted one says its section, and so
    does a group: `model: {parameters: {dropout: …}}` is model.dropout."""

    early_terminate: EarlyTerminate | None = None
    """When to stop a trial that falls behind; null lets each run to its end."""

    pbt: PbtConfig | None = None
    """Population-based training: trials that fall behind go on from the checkpoints of others, with
    perturbed values. `run_cap` is the size of the population."""

    sampler: SamplerConfig | None = None
    """Who suggests the trials of method bayes: tpe (null means that), gp, cmaes, qmc or random; or
    a mapping of its type and options."""

    repeats: Count = 1
    """Trials of each configuration, each with a seed of its own. The configuration with the best
    mean wins, and its best trial's model is tagged. What the seeds change is the order of the
    examples and the dropout; the initial weights are model.seed's."""

    max_time: Duration | None = None
    """The sweep starts no epoch later than this after its start: seconds, or "90s", "30m", "2h".
    Running trials end with the epoch that they are in."""

    max_trials: Count | None = None
    """Trials at most, repeats counted."""

    max_epochs_total: Count | None = None
    """Epochs at most, those of all trials together."""

    @model_validator(mode="before")
    @classmethod
    def _without_the_agents_keys(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: item for key, item in given.items() if key not in AGENT_KEYS}

    @field_validator("parameters", mode="before")
    @classmethod
    def _dotted(cls, given: Any) -> Any:
        return flatten(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _can_run(self) -> SweepConfig:
        if self.method != "bayes" and self.sampler is not None:
            text = f"method {self.method} asks no sampler; leave it out, or use method bayes"
            raise mistake(("sampler",), text)
        if self.pbt is not None:
            others = {
                "early_terminate": self.early_terminate is not None,
                "repeats": self.repeats > 1,
            }
            check_pbt(self.method, others)
        self._check_order()
        for name, parameter in self.parameters.items():
            _check_method(("parameters", name), self.method, parameter.build())
        return self

    def _check_order(self) -> None:
        """Raise a mistake where the order of the sweep cannot decide which trials are stopped."""
        rule, sampler = self.early_terminate, self.sampler or SamplerConfig(type="tpe")
        if rule and rule.order == "sweep" and self.method == "bayes" and sampler.learns:
            text = (
                f"sampler {sampler.type} learns from results as they come, so timing has a say in "
                "what is tried; use method random or grid, or order: arrival"
            )
            raise mistake(("early_terminate", "order"), text)

    @property
    def cap(self) -> int | None:
        """How many configurations there may be; None: as many as the grid has.

        Where `run_cap` does not say: one more than the budgets could pay for, an epoch a trial, so
        that it is a budget that ends the sweep; and MOST_CONFIGURATIONS at most.
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
        """Parameter's name → its distribution, in the order of the file."""
        return {name: parameter.build() for name, parameter in self.parameters.items()}


def _check_method(at: Loc, method: str, distribution: Distribution) -> None:
    """Raise a mistake where the method cannot search such a distribution."""
    if method == "grid" and distribution.size is None:
        text = (
            f"method grid cannot go through {distribution.describe()}: there is no list of "
            "its values; give values, or min, max and a quantum q, or use method random"
        )
        raise mistake(at, text)
