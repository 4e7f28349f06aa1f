"""The sections of parts of one's own: their keys besides the target's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from raysweep.config.sections import Section, Seed


class Target(Section):
    """A part of one's own. The keys besides these are its parameters: see `config.targets`, which
    makes a class of its own for each target, from its signature."""

    fixed: ClassVar[frozenset[str]] = frozenset({"target", "name"})
    parameters: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[Callable[..., Any]]

    target: str
    """Import path of a function or class: `my_pkg.nets:ResNet`. Its module is looked for in the
    working folder, beside the config file, and where Python looks."""

    def part(self) -> Callable[..., Any]:
        """What `target` names."""
        return type(self).function

    def params(self) -> dict[str, Any]:
        """Its parameters, by name."""
        return {name: getattr(self, name) for name in self.parameters}

    @property
    def label(self) -> str:
        """Its own name in small letters: `resnet`."""
        return self.target.rpartition(":")[2].rpartition(".")[2].lower()


class DataTarget(Target):
    """Data of one's own: a function that gives `raysweep.ml.protocols.Splits`.

    It is called in every sweep, since nobody can tell what it reads; a version with the same
    content is then used again.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] | None = None
    """What its artifacts' names begin with; null means the function's own name."""

    @property
    def label(self) -> str:
        """What its artifacts' names begin with."""
        return (self.name or super().label).lower()


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
