"""Print the output of `plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from raysweep.search.space_plan import PlannedParameter, SpacePlan
from raysweep.selection import NOTHING_CHOSEN
from raysweep.terminal import text
from raysweep.terminal.console import copyable, say
from raysweep.terminal.table import Column, Row, fitted

if TYPE_CHECKING:
    from raysweep.sweep.plan import Plan  # imports trackers, which `plan --space-only` avoids


def show_plan(console: Console, plan: Plan) -> None:
    """Print stages, search space, trials, tracker and storage, on one screen."""
    say(console, f"tracker  {plan.tracker} ({plan.reason})")
    copyable(console, f"storage  {plan.storage}")
    if plan.warning:
        say(console, f"data     {plan.warning}", style="yellow")
    console.print()
    if plan.stages:
        columns = [Column("stage"), Column("artifact"), Column("")]
        rows = [
            Row([each.name, each.artifact, f"reused: {each.ref}" if each.ref else "would run"])
            for each in plan.stages
        ]
        console.print(fitted(columns, rows, console.width), soft_wrap=True)
        console.print()
    _show_parameters(console, plan.space)
    most = "at most " if plan.may_end_early else ""
    trials = text.plural(plan.trials, "trial")
    length = "" if plan.epochs is None else f" of up to {text.plural(plan.epochs, 'epoch')}"
    say(
        console,
        f"\n{plan.method}: {most}{trials}{length}"
        f"{plan.early_terminate}; "
        + (f"best by {plan.metric} ({plan.goal})" if plan.metric else NOTHING_CHOSEN),
    )
    for line in plan.search:
        say(console, line)
    _show_first(console, plan)


def show_space(console: Console, plan: SpacePlan) -> None:
    """Print the search space of a sweep file without a config."""
    _show_parameters(console, plan.space)
    end = f"run_cap {plan.run_cap}" if plan.run_cap else "no run_cap, so it would never end"
    if plan.method == "grid" and plan.combinations is not None:
        total = min(plan.combinations, plan.run_cap or plan.combinations)
        end = text.plural(total, "trial")
    console.print(f"\n{plan.method}: {end}")
    _show_first(console, plan)


def show_notices(console: Console, notices: Sequence[str]) -> None:
    """Print each as one line, as `run` shows it."""
    for notice in notices:
        say(console, f"WARNING: {notice}", style="yellow")


def _show_parameters(console: Console, parameters: Sequence[PlannedParameter]) -> None:
    own = any(parameter.target for parameter in parameters)
    columns = [
        Column("parameter"),
        Column("distribution", dropped=2),
        Column("range", folded=True),
        *([Column("sets", dropped=1)] if own else []),
    ]
    rows = [
        Row([each.name, each.kind, each.range, *([each.target or ""] if own else [])])
        for each in parameters
    ]
    console.print(fitted(columns, rows, console.width), soft_wrap=True)


def _show_first(console: Console, plan: Plan | SpacePlan) -> None:
    """Print the size of the space, and the first configurations."""
    if plan.combinations is not None:
        console.print(f"the space has {text.plural(plan.combinations, 'combination')}")
    if plan.method == "bayes":
        console.print("bayes chooses each configuration during the sweep, from the results so far")
    elif plan.first:
        console.print("\nfirst to run:")
    width = len(str(len(plan.first)))
    varied = {each.name for each in plan.space if each.size != 1}
    for number, values in enumerate(plan.first, start=1):
        shown = {name: value for name, value in values.items() if name in varied} or values
        say(console, f"{number:>{width}}  {text.values(shown)}")
