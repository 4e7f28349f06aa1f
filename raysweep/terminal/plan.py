"""What `plan` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from raysweep.search.space_plan import PlannedParameter, SpacePlan
from raysweep.terminal import text

if TYPE_CHECKING:
    from raysweep.sweep.plan import Plan  # it reads trackers, which a sweep file has none of


def show_plan(console: Console, plan: Plan) -> None:
    """Stages, search space, trials, tracker and storage, in a screenful."""
    show_notices(console, plan.notices)
    console.print(f"tracker  {plan.tracker} ({plan.reason})", soft_wrap=True)
    console.print(f"storage  {plan.storage}", soft_wrap=True)
    if plan.warning:
        console.print(f"data     {plan.warning}", style="yellow", soft_wrap=True)
    console.print()
    stages = _table("stage", "artifact", "")
    for stage in plan.stages:
        found = f"reused: {stage.ref}" if stage.ref else "would run"
        stages.add_row(stage.name, stage.artifact, found)
    console.print(stages)
    console.print()
    _show_parameters(console, plan.space)
    most = "at most " if plan.may_end_early else ""
    trials = text.plural(plan.trials, "trial")
    console.print(
        f"\n{plan.method}: {most}{trials} of up to {text.plural(plan.epochs, 'epoch')}"
        f"{plan.early_terminate}; best by {plan.metric} ({plan.goal})",
    )
    for line in plan.search:
        console.print(line)
    _show_first(console, plan)


def show_space(console: Console, plan: SpacePlan) -> None:
    """The space of a sweep file by itself."""
    show_notices(console, plan.notices)
    _show_parameters(console, plan.space)
    end = f"run_cap {plan.run_cap}" if plan.run_cap else "no run_cap, so it would not end by itself"
    if plan.method == "grid" and plan.combinations is not None:
        total = min(plan.combinations, plan.run_cap or plan.combinations)
        end = text.plural(total, "trial")
    console.print(f"\n{plan.method}: {end}")
    _show_first(console, plan)


def show_notices(console: Console, notices: Sequence[str]) -> None:
    """Each as one line, as `run` shows it."""
    for notice in notices:
        console.print(Text(f"WARNING: {notice}", style="yellow"), soft_wrap=True)


def _show_parameters(console: Console, parameters: Sequence[PlannedParameter]) -> None:
    own = any(parameter.target for parameter in parameters)
    table = _table("parameter", "distribution", "range", *(["sets"] if own else []))
    for each in parameters:
        row = (
            (each.name, each.kind, each.range, each.target)
            if own
            else (each.name, each.kind, each.range)
        )
        table.add_row(*(Text(cell or "") for cell in row))
    console.print(table)


def _show_first(console: Console, plan: Plan | SpacePlan) -> None:
    """The size of the space, and what would run first."""
    if plan.combinations is not None:
        console.print(f"the space has {text.plural(plan.combinations, 'combination')}")
    if plan.method == "bayes":
        console.print("bayes chooses each configuration as it goes, from the results so far")
    elif plan.first:
        console.print("\nfirst to run:")
    width = len(str(len(plan.first)))
    for number, values in enumerate(plan.first, start=1):
        console.print(Text(f"{number:>{width}}  {text.values(values)}"), soft_wrap=True)


def _table(*columns: str) -> Table:
    """What has no room in its column is folded, never cut."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
