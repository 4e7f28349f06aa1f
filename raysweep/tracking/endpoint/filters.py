"""Filters of runs: what `wandb.Api().runs(filters=…)` takes of MongoDB's query language."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from raysweep.tracking.endpoint.graphql import Refusal, snake
from raysweep.tracking.endpoint.run import RunView

_FIELDS = {"name", "display_name", "group", "job_type", "state", "tags", "notes", "created_at"}

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda got, wanted: got in wanted,
    "$nin": lambda got, wanted: got not in wanted,
    "$regex": lambda got, wanted: isinstance(got, str) and bool(re.search(wanted, got)),
    "$exists": lambda got, wanted: (got is not None) == wanted,
}


def matches(run: RunView, wanted: Mapping[str, Any]) -> bool:
    """Return whether the run is what is wanted. Raises Refusal for an operator not known."""
    return all(_holds(run, key, value) for key, value in wanted.items())


def _holds(run: RunView, key: str, wanted: Any) -> bool:
    if key in ("$and", "$or", "$nor"):
        found = [matches(run, part) for part in wanted]
        return all(found) if key == "$and" else any(found) if key == "$or" else not any(found)
    if key == "$not":
        return not matches(run, wanted)
    conditions = wanted if isinstance(wanted, dict) and _is_query(wanted) else {"$eq": wanted}
    got = _value(run, key)
    values = got if isinstance(got, list) else [got]
    return all(any(_compared(name, v, each) for v in values) for name, each in conditions.items())


def _is_query(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(key.startswith("$") for key in value)


def _compared(name: str, got: Any, wanted: Any) -> bool:
    if name not in _OPERATORS:
        raise Refusal(f"runs: the filter {name} is not known here")
    try:
        return _OPERATORS[name](got, wanted)
    except TypeError:  # values of different types: none is greater
        return False


def _value(run: RunView, key: str) -> Any:
    section, _, name = key.partition(".")
    if section == "config":
        return run.record.config.get(name.removesuffix(".value"))
    if section in ("summary_metrics", "summaryMetrics", "summary"):
        return run.record.summary.get(name)
    if key == "sweep":  # its object is another thing
        return run.sweep_name
    field = snake(key)
    return getattr(run, field) if field in _FIELDS else None


def parsed(filters: str | None) -> Mapping[str, Any]:
    """Parse what the client sends."""
    value = json.loads(filters or "{}")
    return value if isinstance(value, dict) else {}
