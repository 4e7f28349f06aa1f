"""The sections of parts of one's own: their keys besides the target's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from raysweep.config.section import Section
from raysweep.config.sections import Seed


class Target(Section):
    """A part of one's own. The keys besides these are its parameters: see `config.targets`, which
    makes a class of its own for each target, from its signature.

    A parameter may be called as anything here but `target`. What is asked of a section is a
    property therefore: Python finds one before a field of its name.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"target"})
    _parameters: ClassVar[tuple[str, ...]] = ()
    _function: ClassVar[Callable[..., Any]]

    target: str
    """Import path of a function or class: `my_pkg.nets:ResNet`. Its module is looked for in the
    working folder, beside the config file, and where Python looks."""

    @property
    def part(self) -> Callable[[], Callable[..., Any]]:
        """Gives what `target` names."""
        return lambda: type(self)._function

    @property
    def params(self) -> Callable[[], dict[str, Any]]:
        """Gives its parameters, by name."""
        return lambda: {name: vars(self)[name] for name in self._parameters}

    @property
    def label(self) -> str:
        """Its own name in small letters: `resnet`."""
        return self.target.rpartition(":")[2].rpartition(".")[2].lower()


class DataTarget(Target):
    """Data of one's own: a function that gives `raysweep.ml.protocols.Splits`.

    It is called in every sweep, since nobody can tell what it reads; a version with the same
    content is then used again.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"target", "name"})

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] | None = None
    """What its artifacts' names begin with; null means the function's own name. Of a function that
    has a parameter `name` it is that parameter, and its artifacts have the function's name."""

    @property
    def label(self) -> str:
        """What its artifacts' names begin with."""
        own = None if "name" in self._parameters else self.name
        return (own or super().label).lower()


class ModelTarget(Target):
    """A network of one's own: a `torch.nn.Module`, or a function that gives one."""

    seed: Seed = 0
    """Draws the initial weights: torch's random numbers while the network is made."""


class TrainTarget(Target):
    """A trainer of one's own: see `raysweep.ml.protocols.Trainer`, or derive from the built-in
    one (`raysweep.ml.training.Trainer`) and change its loss and its scores."""

    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training examples, which early stopping counts."""

    seed: Seed = 0
    """Seeds the search, and, hashed with each trial's own values, each trial."""


class EvaluateTarget(Target):
    """An evaluation of one's own: a function that gives `raysweep.ml.protocols.Evaluation`."""
