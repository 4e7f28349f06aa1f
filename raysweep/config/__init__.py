"""The typed config: schema, W&B's search-space vocabulary, loading and overrides."""

from raysweep.config.early_terminate import EarlyTerminate
from raysweep.config.fields import field_of
from raysweep.config.import_path import look_in
from raysweep.config.loading import load_config, load_sweep
from raysweep.config.names import ACTIVATIONS, OPTIMIZERS
from raysweep.config.pbt import PbtConfig
from raysweep.config.sampler import SamplerConfig
from raysweep.config.schema import SWEPT_SECTIONS, Config
from raysweep.config.sections import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    PreprocessConfig,
    ResourcesConfig,
    TrackingConfig,
    TrainConfig,
)
from raysweep.config.space.curves import Beta, Normal, Rounded, Uniform
from raysweep.config.space.distributions import Categorical, Constant, Distribution, Steps
from raysweep.config.space.parameter import Parameter
from raysweep.config.space.quanta import count_of, multiple
from raysweep.config.sweep import Metric, SweepConfig
from raysweep.config.target_sections import (
    DataTarget,
    EvaluateTarget,
    ModelTarget,
    Target,
    TrainTarget,
)
from raysweep.config.trials import (
    MAX_REPEATS,
    Grid,
    apply,
    combinations,
    configurations,
    enumerate_trials,
    fits,
    trials_of,
)

__all__ = [
    "ACTIVATIONS",
    "MAX_REPEATS",
    "OPTIMIZERS",
    "SWEPT_SECTIONS",
    "Beta",
    "Categorical",
    "Config",
    "Constant",
    "DataConfig",
    "DataTarget",
    "Distribution",
    "EarlyTerminate",
    "EvaluateConfig",
    "EvaluateTarget",
    "Grid",
    "Metric",
    "ModelConfig",
    "ModelTarget",
    "Normal",
    "Parameter",
    "PbtConfig",
    "PreprocessConfig",
    "ResourcesConfig",
    "Rounded",
    "SamplerConfig",
    "Steps",
    "SweepConfig",
    "Target",
    "TrackingConfig",
    "TrainConfig",
    "TrainTarget",
    "Uniform",
    "apply",
    "combinations",
    "configurations",
    "count_of",
    "enumerate_trials",
    "field_of",
    "fits",
    "load_config",
    "load_sweep",
    "look_in",
    "multiple",
    "trials_of",
]
