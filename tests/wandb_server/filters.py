"""Filters of runs: what a user of `wandb.Api().runs` commonly writes of MongoDB's language."""

from __future__ import annotations

import json
from typing import Any

from wandb_server.errors import Violation
from wandb_server.runs import Run

_FIELDS = {
    "name": "name",
    "display_name": "display_name",
    "displayName": "display_name",
    "group": "group",
    "jobType": "job_type",
    "state": "state",
    "tags": "tags",
}


def matches(run: Run, wanted: dict[str, Any]) -> bool:
    """Whether the run is what is wanted. Raises Violation for a field or operator not known."""
    return all(_holds(run, key, value) for key, value in wanted.items())


def _holds(run: Run, key: str, value: Any) -> bool:
    if key == "$and":
        return all(matches(run, part) for part in value)
    if key == "$or":
        return any(matches(run, part) for part in value)
    one_of = isinstance(value, dict) and value.keys() == {"$in"}
    wanted: list[Any] = value["$in"] if one_of else [value]
    if any(isinstance(one, dict) for one in wanted):
        raise Violation(f"runs: filter {key}: {value} is not known")
    got = _value(run, key)
    return any(one in got if isinstance(got, list) else one == got for one in wanted)


def _value(run: Run, key: str) -> Any:
    if key in _FIELDS:
        return getattr(run, _FIELDS[key])
    section, _, name = key.partition(".")
    if section == "config":
        return json.loads(run.config).get(name.removesuffix(".value"), {}).get("value")
    if section == "summary_metrics":
        return json.loads(run.summary_metrics).get(name)
    raise Violation(f"runs: filter {key} is not known")
