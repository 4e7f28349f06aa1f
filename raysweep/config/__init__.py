"""The typed config: schema, W&B's search-space vocabulary, loading and overrides."""

from raysweep.config.distributions import (
    Categorical,
    Constant,
    Distribution,
    Normal,
    Rounded,
    Steps,
    Uniform,
)
from raysweep.config.early_terminate import EarlyTerminate
from raysweep.config.fields import field_of
from raysweep.config.loading import load_config
from raysweep.config.names import ACTIVATIONS, OPTIMIZERS
from raysweep.config.parameter import Parameter
from raysweep.config.pbt import PbtConfig
from raysweep.config.sampler import SamplerConfig
from raysweep.config.schema import Config
from raysweep.config.sections import (
    DataConfig,
    ModelConfig,
    PreprocessConfig,
    ResourcesConfig,
    TrackingConfig,
    TrainConfig,
)
from raysweep.config.space import apply, enumerate_trials
from raysweep.config.sweep import Metric, SweepConfig

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "Categorical",
    "Config",
    "Constant",
    "DataConfig",
    "Distribution",
    "EarlyTerminate",
    "Metric",
    "ModelConfig",
    "Normal",
    "Parameter",
    "PbtConfig",
    "PreprocessConfig",
    "ResourcesConfig",
    "Rounded",
    "SamplerConfig",
    "Steps",
    "SweepConfig",
    "TrackingConfig",
    "TrainConfig",
    "Uniform",
    "apply",
    "enumerate_trials",
    "field_of",
    "load_config",
]
