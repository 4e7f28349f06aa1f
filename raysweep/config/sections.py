"""The sections of a config: what may be set, in which unit, within which limits, and its default.

The defaults are the MNIST sweep. Every value is frozen, an unknown key is an error, and no type is
guessed: "3" is text and not a number.
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
"""CPU cores or GPUs a trial: beyond any machine, and a double still counts them exactly."""


def _built_in(path: str) -> Callable[..., Any]:
    """raysweep's own part, imported when it is called for: it needs torch, and `plan` does not."""
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
    """A whole number, or a fraction below 1: what Ray can reserve of a device."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and (0 < value < 1 or (least <= value <= MAX_DEVICES and value % 1 == 0)):
        return float(value)
    choices = f"auto, a fraction between 0 and 1, or a whole number from {least}"
    raise mistake((), f"expected {choices}, got {found(value)}")


def _trials(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value == "auto" or (whole and value >= 1):
        return value
    raise mistake((), f"expected auto or a whole number from 1, got {found(value)}")


def _null_is_none(value: Any) -> Any:
    return "none" if value is None else value


Sizes = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1, max_length=2)
]
"""One or two positive numbers; the first is the first layer's, the last is the second layer's."""


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
    """Folder of the data set, as torchvision means it: used if the files are there, else downloaded
    into. Null: the environment's RAYSWEEP_DATA, else `./data`."""

    train_size: Annotated[int, Field(ge=1)] = 50_000
    """How many of the training pictures train; the rest of them validate. Of digits, which has
    1,500 for both, at most 1,200 train."""

    fallback: Literal["digits"] | None = "digits"
    """What stands in, with a warning and under its own artifact names, where the files are neither
    there nor to be downloaded. Null: nothing does, and the sweep stops with an error."""

    def resolved_root(self) -> Path:
        """`root`, else the environment's RAYSWEEP_DATA, else `./data`; `~` is the home folder."""
        return Path(self.root or os.environ.get("RAYSWEEP_DATA") or "./data").expanduser()

    def part(self) -> Callable[..., Any]:
        """The function that loads it."""
        return _built_in("raysweep.ml.datasets:load")

    def params(self) -> dict[str, Any]:
        """That function's arguments."""
        root = self.resolved_root()
        return {"dataset": self.dataset, "root": root, "train_size": self.train_size}

    @property
    def label(self) -> str:
        """What its artifacts' names begin with."""
        return self.dataset.lower()


class PreprocessConfig(Section):
    """What is done to the pictures once, before any training."""

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
    """Draws the initial weights."""

    def part(self) -> Callable[..., Any]:
        """The network's class."""
        return _built_in("raysweep.ml.convnet:ConvNet")

    def params(self) -> dict[str, Any]:
        """That class's arguments."""
        return self.model_dump(exclude={"seed"})


class TrainConfig(Section):
    """How one trial trains, unless the sweep sets the field itself."""

    takes_target: ClassVar[bool] = True

    optimizer: Annotated[str, AfterValidator(_optimizer)] = "AdamW"
    """A class of `torch.optim`, one of raysweep.config.OPTIMIZERS."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """The optimizer's step size; the highest one, where a schedule moves it."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decay of the weights, by optimizers that take it. The default is torch's for AdamW."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum, by optimizers that take it (SGD, RMSprop)."""

    batch_size: Annotated[int, Field(ge=1)] = 128
    """Pictures a step."""

    epochs: Annotated[int, Field(ge=1)] = 3
    """Passes over the training pictures."""

    shuffle: bool = True
    """Draw a new order of the training pictures every epoch."""

    schedule: Annotated[Literal["none", "one-cycle", "cosine"], BeforeValidator(_null_is_none)] = (
        "one-cycle"
    )
    """How the learning rate moves over all steps of a trial; null means none."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target's probability that is spread over all labels (cross-entropy)."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward pass; auto takes bf16 where the hardware is fast at it."""

    seed: Seed = 0
    """Seeds the search, and, hashed with each trial's own values, each trial."""

    batch_log_interval: Annotated[int, Field(ge=1)] = 25
    """Steps between two logged values of the training loss."""

    def part(self) -> Callable[..., Any]:
        """The trainer's class."""
        return _built_in("raysweep.ml.training:Trainer")

    def params(self) -> dict[str, Any]:
        """That class's arguments, without those that every trainer is given."""
        return self.model_dump(exclude={"seed"})


class EvaluateConfig(Section):
    """How the winner is scored on the test split: loss, accuracy, confusion matrix."""

    takes_target: ClassVar[bool] = True

    hardest: Annotated[int, Field(ge=0)] = 32
    """Pictures of highest loss that the report shows."""

    def part(self) -> Callable[..., Any]:
        """The function that scores."""
        return _built_in("raysweep.ml.evaluation:evaluate")

    def params(self) -> dict[str, Any]:
        """That function's arguments, without those that every evaluation is given."""
        return self.model_dump()


class ResourcesConfig(Section):
    """What a trial reserves."""

    cpus: Annotated[Literal["auto"] | float, BeforeValidator(_cpu_share)] = "auto"
    """CPU cores a trial; a fraction lets trials share one.
    Auto fills the machine, or the cluster."""

    gpus: Annotated[Literal["auto"] | float, BeforeValidator(_gpu_share)] = "auto"
    """GPUs a trial; a fraction lets trials share one. Auto uses those there are."""

    max_concurrent: Annotated[Literal["auto"] | int, BeforeValidator(_trials)] = "auto"
    """Trials at a time; auto means as many as the resources allow."""

    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often a trial whose process died is started again, from its last checkpoint. A machine
    that is taken away (preemption) does not count."""

    max_consecutive_failures: Annotated[int, Field(ge=0)] | None = 5
    """The sweep is given up once so many trials in a row have failed with the same cause, and none
    has completed; 0 or null: never."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 1
    """Epochs between two checkpoints of a trial. One whose process died trains again the epochs
    since its last."""

    fast_start: bool = True
    """Whether a Ray that is started here may be patched to start sooner; RAYSWEEP_FAST_START=0
    switches that off, too. Versions of Ray on which the patches were not tested start without them,
    unless RAYSWEEP_FAST_START=1 asks for those that apply."""


class TrackingConfig(Section):
    """Where runs and artifacts are recorded, and when the alias `best` moves."""

    backend: Literal["auto", "trackio", "wandb"] = "auto"
    """Auto takes W&B where a key is configured (environment or netrc), else Trackio, embedded."""

    project: Annotated[str, Field(min_length=1)] = "artifacts-example"
    """Project of the tracker."""

    entity: Annotated[str, Field(min_length=1)] | None = None
    """W&B's user or team; null means the key's own."""

    promote: Literal["always", "if_better"] | None = None
    """Whether the sweep's winner takes the alias `best` always, or only when it beats the present
    holder on the same metric and data version. Null: from a holder that was trained on the same
    data set, always; from any other, never."""

    tags: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Labels on every run of the sweep."""
