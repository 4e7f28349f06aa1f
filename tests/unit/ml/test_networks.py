"""Networks whose modules take their sizes from the first example."""

from __future__ import annotations

import torch
from torch import nn

from raysweep.ml.networks import lazy_modules, materialize


def lazy() -> nn.Sequential:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3))


def test_sizes_come_from_an_example_and_weights_from_the_seed() -> None:
    """Whatever the example's values and format are."""

    def made(seed: int, value: float, dtype: torch.dtype) -> nn.Sequential:
        network = lazy()
        torch.rand(3)  # whatever ran before
        materialize(network, torch.full((1, 2, 6, 6), value, dtype=dtype), seed)
        return network

    network = made(1, 0.0, torch.float32)
    again, other = made(1, 5.0, torch.float16), made(2, 0.0, torch.float32)
    assert lazy_modules(network) == []
    assert network.training and network[3].weight.shape == (3, 64)
    weights, same = network.state_dict(), again.state_dict()
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(network[3].weight, other[3].weight)
    assert int(network[1].num_batches_tracked) == 0, "no statistics of one example"


def test_one_that_was_made_again_takes_the_sizes_of_its_weights() -> None:
    network, again = lazy(), lazy()
    assert lazy_modules(again) == ["LazyBatchNorm2d", "LazyConv2d", "LazyLinear"]
    materialize(network, torch.ones(1, 2, 6, 6), 1)
    again.load_state_dict(network.state_dict())
    assert lazy_modules(again) == []
    x = torch.rand(5, 2, 6, 6)
    assert torch.equal(network(x), again(x))
