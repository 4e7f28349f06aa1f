"""The lists of names against the installed torch, by trying every class it offers."""

from __future__ import annotations

import inspect
import warnings

import torch
from torch import nn

from raysweep.config import ACTIVATIONS, OPTIMIZERS


def _trains_a_convnet(optimizer: type[torch.optim.Optimizer]) -> bool:
    """Return whether one step without a closure changes all parameters of a small network."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    try:
        step = optimizer(network.parameters(), lr=0.1)  # type: ignore[call-arg]
        network(torch.ones(3, 1, 4, 4)).square().sum().backward()
        step.step()
    except (TypeError, RuntimeError, ValueError):
        return False
    return all(
        not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)
    )


def _maps_each_element(activation: type[nn.Module]) -> bool:
    """Return whether it needs no argument and f(x)[i] depends on x[i] alone."""
    x = torch.linspace(-3, 3, 16)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # softmaxes warn about the dimension they guess
            layer = activation()  # in training, where RReLU draws from the global random state
            whole = layer(x.reshape(1, 2, 2, 4))
            each = torch.stack([layer(element.reshape(1, 1)).reshape(()) for element in x])
    except (TypeError, RuntimeError, ValueError, IndexError):
        return False
    return whole.shape == (1, 2, 2, 4) and torch.allclose(whole.reshape(16), each, atol=1e-6)


def test_optimizers_are_those_of_torch_that_train_a_convnet() -> None:
    torch.manual_seed(0)
    classes = {
        name: each
        for name, each in vars(torch.optim).items()
        if inspect.isclass(each) and issubclass(each, torch.optim.Optimizer)
    }
    assert {name for name, each in classes.items() if _trains_a_convnet(each)} == set(OPTIMIZERS)


def test_activations_are_those_of_torch_that_map_each_element() -> None:
    names = nn.modules.activation.__all__
    offered = {name for name in names if _maps_each_element(getattr(nn, name))}
    assert offered == set(ACTIVATIONS)
