"""`sweep.sampler`: the Optuna sampler that suggests the trials of method bayes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from raysweep.config.explain import mistake
from raysweep.config.section import Section
from raysweep.config.sections import Seed

_OPTIONS: dict[str, set[str]] = {
    "tpe": {"n_startup_trials", "n_ei_candidates"},
    "gp": {"n_startup_trials"},
    "cmaes": {"n_startup_trials", "popsize"},
    "qmc": {"qmc_type", "scramble"},
    "random": set(),
}
"""Sampler → its options, by Optuna's names. Each also has a seed."""

LEARNING = ("tpe", "gp", "cmaes")
"""The samplers that learn from finished trials; the others ignore results."""


class SamplerConfig(Section):
    """How the next trial is suggested. `sampler: gp` is short for `sampler: {type: gp}`."""

    type: Literal["tpe", "gp", "cmaes", "qmc", "random"]
    """tpe: Parzen estimators of the good trials and the others, for any space. gp: a Gaussian
    process, for few long trials (it imports torch in the driver). cmaes: CMA-ES, for ten or more
    trials per parameter; it draws choices at random. qmc: points that fill the space evenly, except
    for the first trial; it draws choices at random. random: random draws."""

    seed: Seed | None = None
    """Seeds the sampler; null: train.seed. The same seed suggests the same trials if they run one
    at a time."""

    n_startup_trials: Annotated[int, Field(ge=0)] | None = None
    """tpe, gp, cmaes: random trials before the first suggestion. Null: Optuna's default, 10, or 1
    for cmaes."""

    n_ei_candidates: Annotated[int, Field(ge=1)] | None = None
    """tpe: candidates from which the best is suggested. Null: Optuna's default, 24."""

    popsize: Annotated[int, Field(ge=4)] | None = None
    """cmaes: trials per generation. Null: 4 + 3 × the logarithm of the number of parameters."""

    qmc_type: Literal["sobol", "halton"] | None = None
    """qmc: the sequence of points. Null: sobol."""

    scramble: bool | None = None
    """qmc: shift the sequence by the seed, so that another seed gives other points. Null: true."""

    @model_validator(mode="before")
    @classmethod
    def _by_its_name(cls, given: Any) -> Any:
        return {"type": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _options_of_the_type(self) -> SamplerConfig:
        for option, value in self.options().items():
            if option not in _OPTIONS[self.type]:
                known = ", ".join(sorted(_OPTIONS[self.type] | {"seed"}))
                text = f"no option of sampler {self.type}, which takes {known}; got {value}"
                raise mistake((option,), text)
        return self

    @property
    def learns(self) -> bool:
        """Whether finished trials change what is suggested next."""
        return self.type in LEARNING

    def options(self) -> dict[str, Any]:
        """Return the options that were given, by Optuna's names."""
        given = self.model_dump(exclude={"type", "seed"})
        return {option: value for option, value in given.items() if value is not None}
