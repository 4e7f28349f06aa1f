"""What `plan` shows."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from raysweep.pipeline.plan import Plan
from raysweep.terminal import text


def show_plan(console: Console, plan: Plan) -> None:
    """Stages, search space, trials, tracker and storage, in a screenful."""
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
    space = _table("parameter", "distribution", "sets")
    for parameter in plan.space:
        space.add_row(parameter.name, parameter.distribution, parameter.target)
    console.print(space)
    most = "at most " if plan.may_end_early else ""
    trials = text.plural(plan.trials, "trial")
    console.print(
        f"\n{plan.method}: {most}{trials} of up to {text.plural(plan.epochs, 'epoch')}"
        f"{plan.early_terminate}; best by {plan.metric} ({plan.goal})",
    )
    for line in plan.search:
        console.print(line)


def _table(*columns: str) -> Table:
    """What has no room in its column is folded, never cut."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
