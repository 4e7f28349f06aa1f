"""Make a network: the same seed gives the same weights, whatever was drawn before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from raysweep.ml.compute import as_weights

Made = TypeVar("Made")


def seeded(make: Callable[[], Made], seed: int) -> Made:
    """Call `make` with torch's random state on the CPU seeded with `seed`.

    The state is restored afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


def lazy_modules(network: nn.Module) -> list[str]:
    """List the types of modules whose sizes come from the first examples, such as `LazyLinear`."""
    own = ([*m.parameters(recurse=False), *m.buffers(recurse=False)] for m in network.modules())
    kinds = zip(network.modules(), own, strict=True)
    return sorted({type(module).__name__ for module, each in kinds if any(map(is_lazy, each))})


def materialize(network: nn.Module, example: torch.Tensor, seed: int) -> None:
    """Initialize lazy modules: sizes from `example`, (1, …), and weights from `seed`."""
    training = network.training

    def forward() -> None:
        with torch.no_grad():
            network(as_weights(example, network))

    network.eval()  # BatchNorm cannot train on one example
    seeded(forward, seed)
    network.train(training)
