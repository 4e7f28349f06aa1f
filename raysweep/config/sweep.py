"""The `sweep` section: W&B's sweep schema, as far as raysweep runs it.

Source: https://docs.wandb.ai/models/sweeps/sweep-config-keys. What differs: `metric` has a default,
and its `goal` follows from its name; what steers W&B's own agents (AGENT_KEYS) is read over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from raysweep.config.distributions import Distribution
from raysweep.config.explain import Loc, mistake
from raysweep.config.nesting import flatten
from raysweep.config.parameter import Parameter
from raysweep.config.sections import Section

GOALS = {
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

Count = Annotated[int, Field(ge=1)]


class Metric(Section):
    """What the sweep optimizes, and what the best trial is chosen on."""

    name: Annotated[str, Field(min_length=1)]
    """train/loss, validation/loss (mean cross-entropy, nats) or validation/accuracy (percent)."""

    goal: Literal["minimize", "maximize"]
    """Which way is better. By default what the name says: losses down, accuracy up. Of a metric
    that is not known here: down, as in W&B."""

    @model_validator(mode="before")
    @classmethod
    def _goal_of_name(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("name")
        goal = GOALS.get(name, "minimize") if isinstance(name, str) else "minimize"
        return {"goal": goal, **given}


class EarlyTerminate(Section):
    """Stop trials that fall behind, epoch by epoch; raysweep runs it as ASHA."""

    type: Literal["hyperband"]
    """The one kind that W&B knows."""

    min_iter: Count | None = None
    """Epochs that every trial gets before it can be stopped."""

    max_iter: Count | None = None
    """With `s`, another way to say it: every trial gets max_iter / eta^s epochs."""

    s: Count | None = None
    """Number of brackets counted down from `max_iter`."""

    eta: Annotated[int, Field(ge=2)] = 3
    """At each rung one trial in `eta` goes on, to `eta` times as many epochs."""

    @model_validator(mode="after")
    def _one_way_or_the_other(self) -> EarlyTerminate:
        if self.min_iter is not None and (self.max_iter is not None or self.s is not None):
            raise mistake((), "give min_iter, or max_iter and s, not both")
        if self.min_iter is None and (self.max_iter is None or self.s is None):
            raise mistake((), "hyperband needs min_iter, or max_iter and s")
        return self

    @property
    def grace_period(self) -> int:
        """Epochs that every trial gets before ASHA can stop it, at least 1."""
        if self.min_iter is not None:
            return self.min_iter
        assert self.max_iter is not None
        assert self.s is not None
        grace: int = self.max_iter // self.eta**self.s  # mypy takes int**int for Any
        return max(1, grace)

    @property
    def reduction_factor(self) -> int:
        """ASHA's name for `eta`."""
        return self.eta


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
    """All combinations in order; draws; or Optuna's TPE, which learns from finished trials."""

    metric: Metric = Metric(name="validation/accuracy", goal="maximize")
    """What the best trial is chosen on."""

    run_cap: Count | None = None
    """Number of trials at most. Random and bayes need it."""

    parameters: Mapping[str, Parameter]
    """Field → its values. A bare name is a field of `train`; a dotted one says its section, and so
    does a group: `model: {parameters: {dropout: …}}` is model.dropout."""

    early_terminate: EarlyTerminate | None = None
    """When to stop a trial that falls behind; null lets each run to its end."""

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
        for name, parameter in self.parameters.items():
            _check_method(("parameters", name), self.method, parameter.build())
        return self

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
