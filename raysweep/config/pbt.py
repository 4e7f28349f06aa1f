"""`sweep.pbt`: population-based training (Jaderberg et al. 2017, arXiv:1711.09846)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from raysweep.config.early_terminate import Count
from raysweep.config.explain import mistake
from raysweep.config.section import Section

KEPT = frozenset({"optimizer", "epochs", "seed"})
"""The fields of `train` that cannot change during a trial."""


class PbtConfig(Section):
    """Every `interval` epochs the worst trials clone a checkpoint of the best and perturb its
    values. Each trial keeps its run.

    A trial is compared with those that have reached the same epoch by then, so that no trial waits
    for another. If trials run one after the other, later ones clone earlier ones.
    """

    interval: Count = 1
    """Epochs between two comparisons."""

    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """Share of the trials that clone, and of the trials that are cloned; rounded up."""

    resample_probability: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Probability that a value is drawn again from its distribution. Otherwise a number is
    multiplied by 0.8 or 1.2, within its bounds, and a choice or a step moves to a neighbour."""


def check_pbt(method: str, others: Mapping[str, bool]) -> None:
    """Raise a mistake if a sweep cannot be trained as a population.

    `others`: key that cannot be combined with pbt → whether the sweep gives it.
    """
    if method == "bayes":
        text = "method bayes learns from values that never change; use method random or grid"
        raise mistake(("pbt",), text)
    for key, given in others.items():
        if given:
            raise mistake(("pbt",), f"cannot be combined with {key}; leave one of them out")
