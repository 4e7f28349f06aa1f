"""What `show A B` prints: sweeps side by side, a column each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raysweep.sweep.axes import ParameterView
from raysweep.sweep.shape import NO_DIFFERENCE, flat
from raysweep.sweep.standing import counts, leader, ranking
from raysweep.sweep.view import SweepView
from raysweep.terminal import text
from raysweep.terminal.show import when, wrapped
from raysweep.terminal.table import Column, Paint, Row, lines

NONE = "–"
"""The cell of a sweep that has no such value."""

SPACE = "sweep.parameters."

PART = ("target", "dataset")
"""The keys of a section that say which code it is for; its other keys follow from them."""


def comparison_lines(
    views: Sequence[SweepView], width: int, paint: Paint, *, whole: bool = False
) -> list[str]:
    """Return the lines of a comparison: the results, with the best first; below them the parameters
    and the keys of the configs that differ, and how many others there are. `whole`: show all."""
    titles = [Column("", folded=True), *(Column(view.sweep, shortened=True) for view in views)]
    rows = [Row([name, *cells]) for name, cells in _results(views).items()]
    found = {"parameters": _parameters(views), "config": _config(views)}
    shown, same, alone = found, 0, 0
    if not whole:
        differing = {title: _differing(each) for title, each in found.items()}
        same = sum(len(found[title]) - len(each) for title, each in differing.items())
        shown = {**differing, "config": _of_all(differing["config"], views)}
        alone = len(differing["config"]) - len(shown["config"])
    for title, each in shown.items():
        if each:
            rows += [Row([""] * len(titles)), Row([title, *[""] * len(views)], "bold")]
            rows += [Row([name, *cells]) for name, cells in each.items()]
    counted = [f"{text.plural(same, 'value')} of the configs are the same"] * bool(same)
    counted += [f"{text.plural(alone, 'key')} only some of these sweeps have"] * bool(alone)
    more = [f"{'; '.join(counted)} (--all shows them)"] if counted else []
    return [*lines(titles, rows, width, paint), *([""] * bool(more)), *wrapped(more, width)]


Cells = dict[str, list[str]]
"""The name of a row → its cells, one a sweep."""


def _results(views: Sequence[SweepView]) -> Cells:
    """Make the rows of what came out. Rows of one group stay together, whichever sweep has them."""
    facts = [_facts(view) for view in views]
    return {
        name: [each[group].get(name, NONE) for each in facts]
        for group in range(len(facts[0]))
        for name in dict.fromkeys(name for each in facts for name in each[group])
    }


def _facts(view: SweepView) -> list[dict[str, str]]:
    """Say how a sweep stands, in groups: its best, the metrics, the test, the values, the rest."""
    first = leader(view, ranking(view))

    def shown(metrics: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: text.metric(name, value, percent=view.percent) for name, value in metrics.items()
        }

    best: dict[str, str] = {"state": view.state}
    metrics, values = dict[str, str](), dict[str, str]()
    if first is not None:
        logged = view.best["artifact"] if view.best else None
        best["best"] = f"{first.trial}{f', {logged}' if logged else ''}"
        metrics = shown({view.metric: first.metrics.get(view.metric), **first.metrics})
        metrics.pop("epoch", None)
        values = {f"best {name}": text.number(value) for name, value in first.values.items()}
    best["metric"] = f"{view.metric} ({view.goal})" if view.metric else "none"
    test = {f"test/{name}": value for name, value in shown(view.test or {}).items()}
    rest = {"trials": _trials(view), "wall time": text.duration(view.wall_s)}
    return [best, metrics, test, values, rest | {"started": when(view.started)}]


def _trials(view: SweepView) -> str:
    """`4: 3 completed, 1 failed`"""
    count = counts(view)
    total = count.pop("total")
    states = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    return f"{total}: {states}" if states else str(total)


def _parameters(views: Sequence[SweepView]) -> Cells:
    """Map each swept parameter to its range or values in each sweep."""
    return _rows({each.name: _range(each) for each in view.space} for view in views)


def _range(parameter: ParameterView) -> str:
    """`0.001, 0.01` or `log_uniform_values 0.0001 … 0.1`"""
    if parameter.choices is not None:
        return ", ".join(_value(each) for each in parameter.choices)
    if parameter.min is None or parameter.max is None:
        return parameter.kind
    return f"{parameter.kind} {text.number(parameter.min)} … {text.number(parameter.max)}"


def _config(views: Sequence[SweepView]) -> Cells:
    """Map each other key of the configs that has a value to its value in each sweep."""
    return _rows(
        {
            key: _value(value)
            for key, value in flat(view.config)
            if key not in NO_DIFFERENCE and not key.startswith(SPACE)
        }
        for view in views
    )


def _rows(found: Iterable[Mapping[str, str]]) -> Cells:
    sweeps = list(found)
    names = dict.fromkeys(name for each in sweeps for name in each)
    cells_of = {name: [each.get(name, NONE) for each in sweeps] for name in names}
    return {name: cells for name, cells in cells_of.items() if {*cells} != {NONE}}


def _differing(found: Cells) -> Cells:
    return {name: cells for name, cells in found.items() if len({*cells}) > 1}


def _of_all(found: Cells, views: Sequence[SweepView]) -> Cells:
    """Leave out keys that some sweep does not have because the section is for other code there."""
    configs = [view.config for view in views]
    other = {name for config in configs for name in config if _differs(name, configs)}
    return {
        key: cells
        for key, cells in found.items()
        if key.partition(".")[0] not in other or key.endswith(PART) or NONE not in cells
    }


def _differs(section: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the section is for other code in one of these configs than in another."""
    found = [config.get(section) for config in configs]
    parts = [
        [each.get(key) for key in PART] if isinstance(each, Mapping) else each for each in found
    ]
    return any(part != parts[0] for part in parts)


def _value(value: Any) -> str:
    """As YAML has it. A key that is null, or is not there, has no value."""
    if value is None:
        return NONE
    return text.number(value) if isinstance(value, (str, float)) else json.dumps(value)
