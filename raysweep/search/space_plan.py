"""Describe a sweep's search space for `plan`: each parameter's values, and what would run first.

Works without Ray, torch and Optuna, and for any program's sweep file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from raysweep.config import SweepConfig, combinations, configurations, field_of


@dataclass(frozen=True)
class PlannedParameter:
    """A swept parameter: its distribution in words, and the config field that it sets.

    `kind`: W&B's name of the distribution, also if the file left it out; `range`: its values in
    words; `size`: their number, None if they cannot be listed.
    """

    name: str
    distribution: str
    target: str | None
    kind: str
    range: str
    size: int | None


@dataclass(frozen=True)
class SpacePlan:
    """The space of a sweep file alone. `first`: the configurations that would run first."""

    method: str
    run_cap: int | None
    space: tuple[PlannedParameter, ...]
    combinations: int | None
    first: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def plan_space(sweep: SweepConfig, notices: tuple[str, ...], show: int) -> SpacePlan:
    """Describe the space of a sweep file that may be another program's: no field is looked up."""
    return SpacePlan(
        method=sweep.method,
        run_cap=sweep.run_cap,
        space=parameters(sweep, own=False),
        combinations=combinations(sweep),
        first=first(sweep, seed=0, show=show),
        notices=notices,
    )


def parameters(sweep: SweepConfig, *, own: bool) -> tuple[PlannedParameter, ...]:
    """List the sweep's parameters in the file's order. `own`: whether they set config fields."""
    planned = []
    for name, parameter in sweep.parameters.items():
        built = parameter.build()
        target = field_of(name) if own else None
        planned.append(
            PlannedParameter(
                name, built.describe(), target, parameter.kind, built.span(), built.size
            )
        )
    return tuple(planned)


def first(sweep: SweepConfig, seed: int, show: int) -> tuple[dict[str, Any], ...]:
    """List the first `show` configurations; none for bayes, which chooses during the sweep."""
    if sweep.method == "bayes":
        return ()
    return tuple(islice(configurations(sweep, seed), min(show, sweep.cap or show)))
