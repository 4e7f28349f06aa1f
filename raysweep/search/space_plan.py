"""A sweep's search space as `plan` shows it: what each parameter may be, and what would run first.

Without Ray, torch and Optuna, and for any program's sweep file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from raysweep.config import SweepConfig, combinations, configurations, field_of


@dataclass(frozen=True)
class PlannedParameter:
    """A swept parameter: its distribution in words, and the config field it sets.

    `kind` is W&B's name of the distribution, also where it was left out; `range` its values in
    words; `size` how many they are, or None where there is no list of them.
    """

    name: str
    distribution: str
    target: str | None
    kind: str
    range: str
    size: int | None


@dataclass(frozen=True)
class SpacePlan:
    """The space of a sweep file by itself. `first` are the configurations that would run first."""

    method: str
    run_cap: int | None
    space: tuple[PlannedParameter, ...]
    combinations: int | None
    first: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def plan_space(sweep: SweepConfig, notices: tuple[str, ...], show: int) -> SpacePlan:
    """The space of a sweep that may be another program's: its parameters set no field here."""
    return SpacePlan(
        method=sweep.method,
        run_cap=sweep.run_cap,
        space=parameters(sweep, own=False),
        combinations=combinations(sweep),
        first=first(sweep, seed=0, show=show),
        notices=notices,
    )


def parameters(sweep: SweepConfig, *, own: bool) -> tuple[PlannedParameter, ...]:
    """The sweep's parameters in the file's order; `own` ones set a field of the config."""
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
    """The first `show` configurations; none of a bayes sweep, which chooses as it goes."""
    if sweep.method == "bayes":
        return ()
    return tuple(islice(configurations(sweep, seed), min(show, sweep.cap or show)))
