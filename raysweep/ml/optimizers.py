"""Make an optimizer by its torch.optim name, and a learning-rate schedule by raysweep's name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from raysweep.errors import ConfigError
from raysweep.ml.eager import stepping_eagerly, without_compiler

SCHEDULES = ("none", "one-cycle", "cosine")

_UNFIT = frozenset({"Optimizer", "LBFGS", "Muon", "SparseAdam"})
"""Not for this network: LBFGS needs a closure, Muon only matrices, SparseAdam sparse gradients."""

_FUSED = frozenset({"Adam", "AdamW", "SGD"})
"""Optimizers with a fused kernel for the whole step on both CPU and CUDA."""


def optimizer_names() -> list[str]:
    """List the names that `make_optimizer` accepts, with this PyTorch."""
    classes = inspect.getmembers(torch.optim, inspect.isclass)
    return [
        name
        for name, kind in classes
        if issubclass(kind, torch.optim.Optimizer) and name not in _UNFIT
    ]


def make_optimizer(
    name: str,
    parameters: Iterable[torch.nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
) -> torch.optim.Optimizer:
    """Make `torch.optim.<name>` with those settings that its signature accepts.

    Raises ConfigError for a name that is not in `optimizer_names()`.
    """
    if name not in optimizer_names():
        raise ConfigError(
            f"train.optimizer: {name!r} is not in torch.optim or cannot train this network; "
            f"one of {', '.join(optimizer_names())}"
        )
    optimizer_class = getattr(torch.optim, name)
    accepted = inspect.signature(optimizer_class).parameters
    wanted: dict[str, Any] = {"weight_decay": weight_decay, "momentum": momentum}
    options = {key: value for key, value in wanted.items() if key in accepted}
    if name in _FUSED:
        options["fused"] = True
    without_compiler()
    eager = stepping_eagerly(optimizer_class)
    optimizer: torch.optim.Optimizer = eager(parameters, lr=learning_rate, **options)
    return optimizer


def make_schedule(
    name: str, optimizer: torch.optim.Optimizer, learning_rate: float, steps: int
) -> LRScheduler | None:
    """Make the schedule of the learning rate over all `steps`; None if it is constant.

    one-cycle: up to `learning_rate` during the first 30 %, then down to almost 0 (Smith & Topin,
    arXiv 1708.07120). As in the paper, the first beta of Adam-like optimizers moves in the opposite
    direction; `momentum` stays constant. cosine: from `learning_rate` down to 0.
    Raises ConfigError for an unknown name.
    """
    if name == "none":
        return None
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if name == "one-cycle":
        cycle_beta = "betas" in optimizer.defaults
        return OneCycleLR(
            optimizer, max_lr=learning_rate, total_steps=steps, cycle_momentum=cycle_beta
        )
    raise ConfigError(f"train.schedule: {name!r}; one of {', '.join(SCHEDULES)}")
