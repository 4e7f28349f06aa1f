"""What the page knows, as JSON: sweeps, parameters, trials, and texts by number."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from raysweep.config.yaml import dump_yaml
from raysweep.report import words
from raysweep.report.axes import Axis, axes_of
from raysweep.report.importances import importances
from raysweep.report.trials import Texts, rounded, step_name, trials_json
from raysweep.sweep.view import SweepView
from raysweep.version import __version__


@dataclass(frozen=True)
class Shown:
    """A sweep to show: its view, and what only the tracker has of it."""

    view: SweepView
    place: str
    media: dict[str, Any] = field(default_factory=lambda: {"pictures": [], "tables": []})
    lineage: dict[str, Any] | None = None


def document(sweeps: Sequence[Shown]) -> dict[str, Any]:
    """Return all that the page shows."""
    views = [each.view for each in sweeps]
    axes, texts = axes_of(views), Texts()
    percent = words.percent_metrics(views)
    return {
        "made": time.time(),
        "version": __version__,
        "headline": words.headlines(views, percent),
        "step": step_name(views),
        "percent": percent,
        "axes": [axis.to_json() for axis in axes],
        "sweeps": [_sweep(each, axes, percent) for each in sweeps],
        "trials": trials_json(views, texts),
        "texts": texts.to_json(),
    }


def _sweep(shown: Shown, axes: list[Axis], percent: Sequence[str]) -> dict[str, Any]:
    view = shown.view
    first = words.winner(view)
    return {
        "name": view.sweep,
        "project": view.project,
        "tracker": view.tracker,
        "state": view.state,
        "metric": view.metric,
        "goal": view.goal,
        "started": view.started,
        "ended": view.ended,
        "place": shown.place,
        "headline": words.headline(view, percent),
        "lead": words.lead(view, percent),
        "fixed": words.fixed(view),
        "course": words.course(view),
        "causes": words.causes(view),
        "winner": None if first is None else first.trial,
        "ended_well": view.best is not None,
        "test": {name: rounded(value) for name, value in words.scores(view)},
        "importances": importances(view, axes),
        "stages": _stages(view),
        "versions": dict(view.versions),
        "nodes": _nodes(view),
        "config": dump_yaml(view.config),
        **shown.media,
        "lineage": shown.lineage,
    }


def _stages(view: SweepView) -> list[dict[str, Any]]:
    """List the stages: what each gave, whether it was reused, where, and how long it took."""
    return [
        {
            "stage": stage.stage,
            "artifact": stage.artifact,
            "cached": stage.cached,
            "node": stage.node,
            "took": None
            if stage.cached or stage.started is None or stage.ended is None
            else rounded(stage.ended - stage.started),
        }
        for stage in view.stages
    ]


def _nodes(view: SweepView) -> list[dict[str, Any]]:
    """List the nodes that trials ran on: how many, and the time that they took."""
    trials, busy = Counter[str](), Counter[str]()
    workers: dict[str, set[str]] = {}
    for trial in view.trials:
        if trial.node is None:
            continue
        trials[trial.node] += 1
        workers.setdefault(trial.node, set()).add(trial.worker or "")
        if trial.started is not None and trial.ended is not None:
            busy[trial.node] += round(trial.ended - trial.started)
    return [
        {"node": node, "trials": count, "workers": len(workers[node]), "busy_s": busy[node]}
        for node, count in trials.most_common()
    ]
