"""The whole config. Its defaults are the MNIST sweep, which `configs/mnist.yaml` spells out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from raysweep.config import fit
from raysweep.config.distributions import Json
from raysweep.config.early_terminate import EarlyTerminate
from raysweep.config.explain import Loc, found, to_config_error
from raysweep.config.fields import Fields
from raysweep.config.parameter import Parameter
from raysweep.config.sections import (
    DataConfig,
    ModelConfig,
    PreprocessConfig,
    ResourcesConfig,
    Section,
    TrackingConfig,
    TrainConfig,
)
from raysweep.config.sweep import GOALS, Metric, SweepConfig
from raysweep.config.yaml import read_mapping
from raysweep.errors import ConfigError

MNIST_SWEEP = SweepConfig(
    method="random",
    metric=Metric(name="validation/accuracy", goal="maximize"),
    run_cap=4,
    parameters={
        "learning_rate": Parameter(distribution="log_uniform_values", min=0.005, max=0.02),
        "label_smoothing": Parameter(values=(0.0, 0.05, 0.1)),
    },
    early_terminate=EarlyTerminate(type="hyperband", min_iter=1, eta=3),
)
"""The default sweep. A config that gives `sweep` replaces it whole; no key of it shines through."""


class Config(Section):
    """Everything that a sweep is made of. Frozen; `apply` and `from_dict` make new ones."""

    data: DataConfig = DataConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    resources: ResourcesConfig = ResourcesConfig()
    tracking: TrackingConfig = TrackingConfig()

    storage: Annotated[str, Field(min_length=1)] = "./runs"
    """Folder of all sweeps; on a shared file system, where the cluster has several machines."""

    sweep: SweepConfig = MNIST_SWEEP

    @model_validator(mode="after")
    def _sweep_fits(self) -> Config:
        fit.check(self.sweep, self.fields(), GOALS)
        return self

    def fields(self) -> Fields:
        """What may differ from trial to trial; all else is the whole sweep's."""
        return Fields({"train": type(self.train), "model": type(self.model)})

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Json]) -> Config:
        """A config from plain data, as YAML would give it; `sweep` may be the path of a sweep file.

        Raises ConfigError, in one line, for what does not fit the schema.
        """
        document = dict(_mapping(mapping))
        if isinstance(document.get("sweep"), str):
            document["sweep"] = read_mapping(Path(document["sweep"]))
        return parse(document, lambda loc: "")

    def to_dict(self) -> dict[str, Json]:
        """Plain JSON values; `Config.from_dict` makes an equal config of them."""
        return self.model_dump(mode="json")


def parse(document: Mapping[str, Json], origin: Callable[[Loc], str]) -> Config:
    """Validate plain data. `origin(loc)` is the prefix of an error: whose value stands at `loc`."""
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise to_config_error(error, Config, origin) from None


def _mapping(given: Any) -> Mapping[str, Json]:
    if isinstance(given, Mapping):
        return given
    raise ConfigError(f"config: expected a mapping of sections, got {found(given)}")
