"""The sections of custom parts: their keys besides the target's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from raysweep.config.section import Section
from raysweep.config.sections import Seed


class Target(Section):
    """A custom part. Its other keys are the target's parameters: `config.targets` makes one
    subclass per target, from its signature.

    A parameter may have any name used here except `target`. Therefore the section's own accessors
    are properties: Python finds a property before a field of the same name.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"target"})
    _parameters: ClassVar[tuple[str, ...]] = ()
    _function: ClassVar[Callable[..., Any]]

    target: str
    """Import path of a function or class: `my_pkg.nets:ResNet`. Its module is searched in the
    working folder, beside the config file, and on Python's path."""

    @property
    def part(self) -> Callable[[], Callable[..., Any]]:
        """Return what `target` names."""
        return lambda: type(self)._function

    @property
    def params(self) -> Callable[[], dict[str, Any]]:
        """Return its parameters, by name."""
        return lambda: {name: vars(self)[name] for name in self._parameters}

    @property
    def label(self) -> str:
        """Return the target's name in lower case: `resnet`."""
        return self.target.rpartition(":")[2].rpartition(".")[2].lower()


class DataTarget(Target):
    """Custom data: a function that returns `raysweep.ml.protocols.Splits`.

    It is called in every sweep, since its inputs are unknown; a version with the same content is
    reused.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"target", "name"})

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] | None = None
    """Prefix of its artifacts' names; null means the function's name. If the function has a
    parameter `name`, this is that parameter, and the artifacts have the function's name."""

    @property
    def label(self) -> str:
        """Return the prefix of its artifacts' names."""
        own = None if "name" in self._parameters else self.name
        return (own or super().label).lower()


class ModelTarget(Target):
    """A custom network: a `torch.nn.Module`, or a function that returns one."""

    seed: Seed = 0
    """Seeds the initial weights: torch's random state while the network is made."""


class TrainTarget(Target):
    """A custom trainer: see `raysweep.ml.protocols.Trainer`, or derive from the built-in one
    (`raysweep.ml.training.Trainer`) and change its loss and its scores."""

    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training examples, which early stopping counts."""

    seed: Seed = 0
    """Seeds the search, and, hashed with each trial's own values, each trial."""


class EvaluateTarget(Target):
    """A custom evaluation: a function that returns `raysweep.ml.protocols.Evaluation`."""
