"""The sections of a config: each key with its unit, its limits and its default.

The defaults are the MNIST sweep. Every value is frozen, an unknown key is an error, and no type is
guessed: "3" is text, not a number.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from raysweep.config.explain import found, mistake, nearest
from raysweep.config.names import ACTIVATIONS, OPTIMIZERS
from raysweep.config.section import Section

MAX_DEVICES = 1_000_000
"""CPU cores or GPUs per trial: more than any machine has, and still exact in a double."""


def _built_in(path: str) -> Callable[..., Any]:
    """Import a built-in part lazily: it needs torch, and `plan` does not."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _optimizer(name: str) -> str:
    if name in OPTIMIZERS:
        return name
    hint = nearest(name, OPTIMIZERS)
    raise mistake((), f'unknown optimizer "{name}"{hint} (all: raysweep.config.OPTIMIZERS)')


def _activation(name: str) -> str:
    if name in ACTIVATIONS:
        return name
    hint = nearest(name, ACTIVATIONS)
    raise mistake((), f'unknown activation "{name}"{hint} (all: raysweep.config.ACTIVATIONS)')


def _cpu_share(value: Any) -> Any:
    return value if value == "auto" else _share(value, least=1)


def _gpu_share(value: Any) -> Any:
    return value if value == "auto" else _share(value, least=0)


def _share(value: Any, *, least: int) -> float:
    """An integer, or a fraction below 1: what Ray can reserve of a device."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and (0 < value < 1 or (least <= value <= MAX_DEVICES and value % 1 == 0)):
        return float(value)
    choices = f"auto, a fraction between 0 and 1, or an integer from {least}"
    raise mistake((), f"expected {choices}, got {found(value)}")


def _trials(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "auto" or (whole and value >= 1):
        return value
    raise mistake((), f"expected auto or an integer from 1, got {found(value)}")


def _null_is_none(value: Any) -> Any:
    return "none" if value is None else value


Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1, max_length=2)
]
"""One or two positive numbers; the first is for the first layer, the last for the second."""


Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What `torch.Generator.manual_seed` takes, without the negative half."""


class DataConfig(Section):
    """Which data set, where its files are, and how it is split."""

    _fixed: ClassVar[frozenset[str]] = frozenset({"root", "fallback"})
    takes_target: ClassVar[bool] = True

    dataset: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = "MNIST"
    """A class of `torchvision.datasets` (MNIST, FashionMNIST, KMNIST, …), or `digits`: the 1,797
    pictures of 8×8 pixels that scikit-learn carries inside itself."""

    root: Annotated[str, Field(min_length=1)] | None = None
    """Folder of the data set, as torchvision defines it: the files are read from it, or downloaded
    into it if they are missing. Null: the environment's RAYSWEEP_DATA, else `./data`."""

    train_size: Annotated[int, Field(ge=1)] = 50_000
    """Number of training pictures that train; the rest validate. Of digits, which has 1,500 for
    both, at most 1,200 train."""

    fallback: Literal["digits"] | None = "digits"
    """Fallback data set, with a warning and under its own artifact names, if the files are missing
    and cannot be downloaded. Null: no fallback; the sweep stops with an error."""

    def resolved_root(self) -> Path:
        """Return `root`, else the environment's RAYSWEEP_DATA, else `./data`; expands `~`."""
        return Path(self.root or os.environ.get("RAYSWEEP_DATA") or "./data").expanduser()

    def part(self) -> Callable[..., Any]:
        """Return the function that loads the data."""
        return _built_in("raysweep.ml.datasets:load")

    def params(self) -> dict[str, Any]:
        """That function's arguments."""
        root = self.resolved_root()
        return {"dataset": self.dataset, "root": root, "train_size": self.train_size}

    @property
    def label(self) -> str:
        """Return the prefix of its artifacts' names."""
        return self.dataset.lower()


class PreprocessConfig(Section):
    """How the pictures are preprocessed, once, before any training."""

    normalize: bool = True
    """Scale the pixels from 0–255 to 0–1."""

    expand_dims: bool = True
    """Add the channel dimension: (N, 28, 28) to (N, 1, 28, 28)."""


class ModelConfig(Section):
    """The ConvNet: two blocks of convolution, activation and max-pooling, then one linear layer."""

    takes_target: ClassVar[bool] = True
    label: ClassVar[str] = "convnet"

    hidden_layer_sizes: Sizes = (32, 64)
    """Channels of the first and the second convolution."""

    kernel_sizes: Sizes = (3,)
    """Pixels along the side of the first and the second convolution's kernel."""

    activation: Annotated[str, AfterValidator(_activation)] = "ReLU"
    """A class of `torch.nn`, one of raysweep.config.ACTIVATIONS."""

    pool_sizes: Sizes = (2,)
    """Pixels along the side of the first and the second max-pooling window."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Probability with which a feature is zeroed in training, before the linear layer."""

    num_classes: Annotated[int, Field(ge=2)] = 10
    """Number of labels."""

    seed: Seed = 0
    """Seeds the initial weights."""

    def part(self) -> Callable[..., Any]:
        """Return the network's class."""
        return _built_in("raysweep.ml.convnet:ConvNet")

    def params(self) -> dict[str, Any]:
        """That class's arguments."""
        return self.model_dump(exclude={"seed"})


class TrainConfig(Section):
    """How a trial trains, in the fields that the sweep does not set."""

    takes_target: ClassVar[bool] = True

    optimizer: Annotated[str, AfterValidator(_optimizer)] = "AdamW"
    """A class of `torch.optim`, one of raysweep.config.OPTIMIZERS."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """The optimizer's step size; the peak, if a schedule changes it."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay, for optimizers that have it. The default is torch's for AdamW."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum, for optimizers that have it (SGD, RMSprop)."""

    batch_size: Annotated[int, Field(ge=1)] = 128
    """Pictures per step."""

    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes over the training pictures."""

    shuffle: bool = True
    """Shuffle the training pictures every epoch."""

    schedule: Annotated[Literal["none", "one-cycle", "cosine"], BeforeValidator(_null_is_none)] = (
        "one-cycle"
    )
    """How the learning rate changes over the steps of a trial; null means none."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target's probability that is spread evenly over all labels (cross-entropy)."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the forward pass; auto takes bf16 if the hardware is fast at it."""

    seed: Seed = 0
    """Seeds the search, and, hashed with each trial's own values, each trial."""

    batch_log_interval: Annotated[int, Field(ge=1)] = 25
    """Steps between two logged values of the training loss."""

    def part(self) -> Callable[..., Any]:
        """Return the trainer's class."""
        return _built_in("raysweep.ml.training:Trainer")

    def params(self) -> dict[str, Any]:
        """Return that class's arguments, without those that every trainer gets."""
        return self.model_dump(exclude={"seed"})


class EvaluateConfig(Section):
    """How the winner is scored on the test split: loss, accuracy, confusion matrix."""

    takes_target: ClassVar[bool] = True

    hardest: Annotated[int, Field(ge=0)] = 32
    """Number of pictures in the report, those with the highest loss."""

    def part(self) -> Callable[..., Any]:
        """Return the function that scores."""
        return _built_in("raysweep.ml.evaluation:evaluate")

    def params(self) -> dict[str, Any]:
        """Return that function's arguments, without those that every evaluation gets."""
        return self.model_dump()


class ResourcesConfig(Section):
    """What a trial reserves."""

    cpus: Annotated[Literal["auto"] | float, BeforeValidator(_cpu_share)] = "auto"
    """CPU cores per trial; a fraction lets trials share one.
    Auto fills the machine, or the cluster."""

    gpus: Annotated[Literal["auto"] | float, BeforeValidator(_gpu_share)] = "auto"
    """GPUs per trial; a fraction lets trials share one. Auto uses all available GPUs."""

    max_concurrent: Annotated[Literal["auto"] | int, BeforeValidator(_trials)] = "auto"
    """Trials at a time; auto means as many as the resources allow."""

    max_failures: Annotated[int, Field(ge=0)] = 3
    """Retries of a trial whose process died, each from its last checkpoint. A preempted machine
    does not count."""

    max_consecutive_failures: Annotated[int, Field(ge=0)] | None = 5
    """The sweep aborts once this many trials in a row have failed with the same cause and none has
    completed; 0 or null: never."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between two checkpoints of a trial. After a crash, a trial repeats the epochs since
    its last checkpoint."""

    log_limit_mb: Annotated[float, Field(gt=0)] = 100.0
    """Megabytes of the log of a trial or a stage; of a longer one its beginning and its end are
    kept."""

    fast_start: bool = True
    """Whether raysweep may patch the Ray that it starts, to start it sooner; RAYSWEEP_FAST_START=0
    also switches this off. Versions of Ray on which the patches are untested are not patched,
    unless RAYSWEEP_FAST_START=1 asks for the patches that apply."""


class TrackingConfig(Section):
    """Where runs and artifacts are recorded, and when the alias `best` moves."""

    backend: Literal["auto", "trackio", "wandb"] = "auto"
    """Auto takes W&B if a key is configured (environment or netrc), else the embedded Trackio."""

    project: Annotated[str, Field(min_length=1)] = "artifacts-example"
    """Project of the tracker."""

    entity: Annotated[str, Field(min_length=1)] | None = None
    """W&B's user or team; null means the default of the key."""

    promote: Literal["always", "if_better"] | None = None
    """Whether the sweep's winner takes the alias `best` always, or only if it beats the present
    holder on the same metric and data version. Null: always, if the holder was trained on the same
    data set; otherwise never."""

    keep: Literal["all", "best"] = "all"
    """Which models keep their bytes: all, or only those that can still win. The others lose them
    while the sweep runs; the records stay, with their metrics and lineage."""

    tags: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Labels on every run of the sweep."""
