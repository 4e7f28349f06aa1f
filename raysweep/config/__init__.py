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
from raysweep.config.fields import field_of
from raysweep.config.loading import load_config
from raysweep.config.names import ACTIVATIONS, OPTIMIZERS
from raysweep.config.parameter import Parameter
from raysweep.config.schema import Config
from raysweep.config.sections import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    PreprocessConfig,
    ResourcesConfig,
    TrackingConfig,
    TrainConfig,
)
from raysweep.config.space import apply, enumerate_trials
from raysweep.config.sweep import EarlyTerminate, Metric, SweepConfig
from raysweep.config.target_sections import (
    DataTarget,
    EvaluateTarget,
    ModelTarget,
    Target,
    TrainTarget,
)

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "Categorical",
    "Config",
    "Constant",
    "DataConfig",
    "DataTarget",
    "Distribution",
    "EarlyTerminate",
    "EvaluateConfig",
    "EvaluateTarget",
    "Metric",
    "ModelConfig",
    "ModelTarget",
    "Normal",
    "Parameter",
    "PreprocessConfig",
    "ResourcesConfig",
    "Rounded",
    "Steps",
    "SweepConfig",
    "Target",
    "TrackingConfig",
    "TrainConfig",
    "TrainTarget",
    "Uniform",
    "apply",
    "enumerate_trials",
    "field_of",
    "load_config",
]
