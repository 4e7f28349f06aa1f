"""W&B sweeps as far as `wandb.sweep` makes them: a config, and the runs that belong to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from wandb_server.errors import Refusal
from wandb_server.filters import matches
from wandb_server.paging import opaque

if TYPE_CHECKING:
    from wandb_server.projects import Project
    from wandb_server.state import State

_KEYS = {
    "name", "description", "method", "metric", "parameters", "early_terminate", "run_cap",
    "program", "command", "project", "entity", "controller",
}  # fmt: skip
_METHODS = ("grid", "random", "bayes")
_OF_A_PARAMETER = {"distribution", "value", "values", "probabilities", "min", "max", "q", "mu",
                   "sigma", "a", "b"}  # fmt: skip


@dataclass
class Sweep:
    """A sweep. `name` is its id in addresses."""

    project: Project
    name: str
    config: dict[str, Any]

    @property
    def id(self) -> str:
        return opaque(f"Sweep:v1:{self.name}:{self.project.name}:{self.project.entity.name}")


class SweepMutations:
    """What makes sweeps."""

    _state: State

    def upsert_sweep(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a sweep. Raises Refusal for a config that is not W&B's schema."""
        unused = ("id", "controller", "scheduler", "launch_scheduler", "state", "display_name")
        assert all(input.get(key) is None for key in unused), f"{input} is not known"
        assert input.get("template_variable_values") in (None, "null"), "only launch has them"
        config = yaml.safe_load(input["config"])
        _check(config)
        project = self._state.project_for_writing(input["entity_name"], input["project_name"])
        sweep = Sweep(project, f"sweep{self._state.number():03}", config)
        project.sweeps[sweep.name] = sweep
        if (prior := input.get("prior_runs_filters")) is not None:
            for run in project.runs_by_name.values():
                if matches(run, json.loads(prior)):
                    run.sweep_name = sweep.name
        return {"sweep": sweep, "config_validation_warnings": []}


def _check(config: Any) -> None:
    if not isinstance(config, dict) or config.get("method") not in _METHODS:
        raise Refusal(f"sweep: method must be one of {', '.join(_METHODS)}")
    if strange := config.keys() - _KEYS:
        raise Refusal(f"sweep: unknown keys {strange}")
    if not config.get("parameters"):
        raise Refusal("sweep: parameters are needed")
    if config["method"] == "bayes" and "metric" not in config:
        raise Refusal("sweep: bayes needs a metric")
    if "metric" in config and config["metric"].keys() != {"name", "goal"}:
        raise Refusal("sweep: a metric has a name and a goal")
    for name, parameter in config["parameters"].items():
        if strange := parameter.keys() - _OF_A_PARAMETER:
            raise Refusal(f"sweep: parameter {name} has unknown keys {strange}")
