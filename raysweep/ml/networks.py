"""Making a network: the same numbers from the same seed, whatever was drawn before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Made = TypeVar("Made")


def seeded(make: Callable[[], Made], seed: int) -> Made:
    """What `make` gives when torch's random state on the CPU starts from `seed`.

    The state is put back: nothing outside is changed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()
