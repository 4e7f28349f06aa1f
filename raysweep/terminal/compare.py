"""What `show A B` prints: sweeps side by side, a column each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from raysweep.sweep.shape import differences
from raysweep.sweep.standing import counts, leader, ranking
from raysweep.sweep.view import SweepView
from raysweep.terminal import text
from raysweep.terminal.show import when
from raysweep.terminal.table import Column, Paint, Row, lines


def comparison_lines(views: Sequence[SweepView], width: int, paint: Paint) -> list[str]:
    """Return the lines of a comparison: the results, and below them where the configs differ."""
    columns = [
        Column("", folded=True),
        *(Column(view.sweep, shortened=True) for view in views),
    ]
    facts = [_facts(view) for view in views]
    names = dict.fromkeys(name for each in facts for name in each)
    rows = [Row([name, *(each.get(name, "–") for each in facts)]) for name in names]
    found = differences(views)
    if found:
        rows += [Row([""] * len(columns)), Row(["config", *[""] * len(views)], "bold")]
        rows += [Row([key, *(_value(each) for each in values)]) for key, values in found.items()]
    else:
        rows += [Row([""] * len(columns)), Row(["config", *["the same"] * len(views)])]
    return list(lines(columns, rows, width, paint))


def _facts(view: SweepView) -> dict[str, str]:
    count, first = counts(view), leader(view, ranking(view))
    facts = {
        "state": view.state,
        "started": when(view.started),
        "wall time": text.duration(view.wall_s),
        "metric": f"{view.metric} ({view.goal})",
    }
    if first is not None:
        logged = view.best["artifact"] if view.best else None
        facts["best"] = f"{first.trial}{f', {logged}' if logged else ''}"
        facts |= {
            name: text.metric(name, value, percent=view.percent)
            for name, value in first.metrics.items()
            if name != "epoch"
        }
        facts |= {f"best {name}": text.number(value) for name, value in first.values.items()}
    for name, value in (view.test or {}).items():
        facts[f"test/{name}"] = text.metric(name, value, percent=view.percent)
    facts |= {"trials": str(count.pop("total"))}
    return facts | {f"  {state}": str(number) for state, number in count.items()}


def _value(value: Any) -> str:
    """As YAML has it. A key that is null, or is not there, has no value."""
    if value is None:
        return "–"
    return text.number(value) if isinstance(value, (str, float)) else json.dumps(value)
