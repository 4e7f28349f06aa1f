"""What `plan` shows."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from raysweep.pipeline.plan import Plan
from raysweep.terminal import text


def show_plan(console: Console, plan: Plan) -> None:
    """Stages, search space, trials, tracker and storage, in a screenful."""
    console.print(f"tracker  {plan.tracker} ({plan.reason})", highlight=False)
    console.print(f"storage  {plan.storage}", highlight=False, soft_wrap=True)
    if plan.warning:
        console.print(f"data     {plan.warning}", style="yellow", highlight=False, soft_wrap=True)
    console.print()
    stages = Table("stage", "artifact", "", box=None, pad_edge=False)
    for stage in plan.stages:
        found = f"reused: {stage.ref}" if stage.ref else "would run"
        stages.add_row(stage.name, stage.artifact, found)
    console.print(stages)
    console.print()
    space = Table("parameter", "distribution", "sets", box=None, pad_edge=False)
    for parameter in plan.space:
        space.add_row(parameter.name, parameter.distribution, parameter.target)
    console.print(space)
    trials = text.plural(plan.trials, "trial")
    console.print(
        f"\n{plan.method}: {trials} of up to {text.plural(plan.epochs, 'epoch')}"
        f"{plan.early_terminate}; best by {plan.metric} ({plan.goal})",
        highlight=False,
    )
