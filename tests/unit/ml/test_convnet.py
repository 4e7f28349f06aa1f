from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_tutorial
import pytest
import torch
import torch.nn.functional as F
from ml_trial import initialize
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.convnet import POOLED_FIRST, ConvNet, MaxPool, as_input
from raysweep.ml.randomness import RandomState

ARCHITECTURES: list[dict[str, Any]] = [
    {"hidden_layer_sizes": [32, 64], "kernel_sizes": [3], "activation": "ReLU", "pool_sizes": [2]},
    {"hidden_layer_sizes": [4], "kernel_sizes": [5, 2], "activation": "Tanh", "pool_sizes": [3, 1]},
    {"hidden_layer_sizes": [4, 8], "kernel_sizes": [3], "activation": "GELU", "pool_sizes": [2]},
    {"hidden_layer_sizes": [6], "kernel_sizes": [3], "activation": "ReLU6", "pool_sizes": [2, 3]},
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_network_is_the_tutorials(architecture: dict[str, Any]) -> None:
    """Same parameters under the same names; same logits and gradients bit for bit."""
    reference = ml_tutorial.Network(**architecture)
    model = ConvNet(**architecture, dropout=0.0, num_classes=10)
    model.load_state_dict(reference.state_dict())
    x, y = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    for network in (reference, model):
        F.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
    assert torch.equal(model(x), reference(x))
    for (name, ours), (_, theirs) in zip(
        model.named_parameters(), reference.named_parameters(), strict=True
    ):
        assert ours.grad is not None and theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad), name


def every_bf16() -> torch.Tensor:
    """All 65,536 numbers of 16 bits without NaN, in rising order, as float32."""
    numbers = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    values = numbers.view(torch.bfloat16).float()
    return values[~values.isnan()].sort().values


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", sorted(POOLED_FIRST))
def test_what_is_pooled_first_commutes_with_the_maximum(name: str, dtype: torch.dtype) -> None:
    """Non-decreasing, and of slope 1 or 0: then no two numbers above the flat part become one,
    and the pixel that wins, and the gradient that it gets, are the same either way."""
    x = every_bf16().to(dtype).requires_grad_()
    y = getattr(nn, name)()(x)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    assert (y[1:] >= y[:-1]).all()
    assert set(x.grad.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(y[x.grad == 1], x[x.grad == 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", sorted(POOLED_FIRST))
def test_pooling_first_changes_no_bit(name: str, dtype: torch.dtype) -> None:
    activation, pool = getattr(nn, name)(), nn.MaxPool2d(2)
    # Few distinct values, so that windows are full of ties, on both sides of every kink.
    x = torch.randint(-20, 20, (16, 4, 26, 26), generator=torch.Generator().manual_seed(0)) / 4
    outputs, gradients = [], []
    for layers in ((activation, pool), (pool, activation)):
        leaf = x.to(dtype).requires_grad_()
        output = nn.Sequential(*layers)(leaf)
        output.backward(torch.ones_like(output))
        assert leaf.grad is not None
        outputs.append(output)
        gradients.append(leaf.grad)
    assert torch.equal(*outputs)
    assert torch.equal(*gradients)


def test_the_activation_comes_after_pooling_only_where_that_is_exact() -> None:
    for architecture in ARCHITECTURES:
        layer = list(ConvNet(**architecture, dropout=0.5, num_classes=10).layer1)
        pooled_first = isinstance(layer[1], nn.MaxPool2d)
        assert pooled_first == (architecture["activation"] in POOLED_FIRST)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_without_gradients_pooling_is_the_same(
    side: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    """Rows and columns that fill no window are left out, and what is no number stays so."""
    x = torch.randn(3, 4, 11, 14, generator=torch.Generator().manual_seed(0))
    x[0, 0, 4, 4], x[1, 1, 0, 0], x[2, 2, 6, 7] = torch.nan, torch.inf, -torch.inf
    x = x.to(dtype).to(memory_format=layout)
    expected = nn.MaxPool2d(side)(x)
    with torch.inference_mode():
        pooled = MaxPool(side)(x)
    assert pooled.dtype == expected.dtype
    torch.testing.assert_close(pooled, expected, rtol=0, atol=0, equal_nan=True)


def test_dropout_keeps_the_mean_and_follows_the_random_state(
    make_model: Callable[..., ConvNet],
) -> None:
    model = make_model(dropout=0.3)
    seen: list[torch.Tensor] = []
    model.fc.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
    x = torch.rand(200, 1, 28, 28)
    model.eval()(x)
    model.train()
    for seed in (0, 0, 1):
        with RandomState(torch.device("cpu"), seed):
            model(x)
    kept, again, other = (values != 0 for values in seen[1:])
    alive = seen[0] != 0
    assert torch.equal(kept, again) and not torch.equal(kept, other)
    assert float(kept[alive].float().mean()) == pytest.approx(0.7, abs=0.01)
    assert torch.allclose(seen[1][kept], seen[0][kept] / 0.7)


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_dropout_is_as_likely_everywhere(
    dropout: float, make_model: Callable[..., ConvNet]
) -> None:
    """Also within the four values that are drawn at once, and none goes with another. 1,200
    pictures, 5 standard errors."""
    model = make_model(dropout=dropout, activation="Sigmoid").train()
    seen: list[torch.Tensor] = []
    model.fc.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
    with RandomState(torch.device("cpu"), 1):
        model(torch.rand(1_200, 1, 28, 28))
    dropped = (seen[0] == 0).double().view(-1, 4)
    error = (dropout * (1 - dropout) / len(dropped)) ** 0.5
    assert dropped.mean(dim=0).tolist() == pytest.approx([dropout] * 4, abs=5 * error)
    together = torch.corrcoef(torch.cat([dropped[:-1], dropped[1:]], dim=1).T)
    assert (together - torch.eye(8)).abs().max() < 5 / len(dropped) ** 0.5


def test_evaluation_drops_nothing(make_model: Callable[..., ConvNet]) -> None:
    model, x = make_model(dropout=0.9).eval(), torch.rand(4, 1, 28, 28)
    assert torch.equal(model(x), model(x))


def test_pictures_become_input_however_they_were_preprocessed() -> None:
    raw = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    x = as_input(raw)
    assert x.shape == (3, 1, 28, 28) and x.dtype == torch.float32
    assert torch.equal(x[:, 0], raw.float())
    assert as_input(x) is x


def test_initialization_is_the_seeds_alone(make_model: Callable[..., ConvNet]) -> None:
    """PyTorch's default initialization; the global random state is neither used nor moved."""
    settings: dict[str, Any] = ARCHITECTURES[0] | {"dropout": 0.5, "num_classes": 10}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model = initialize(settings, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    reference = ConvNet(**settings)
    other = initialize(settings, seed=4)
    assert torch.equal(model.fc.weight, reference.fc.weight)
    assert not torch.equal(model.fc.weight, other.fc.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "Relu"}, "model.activation: 'Relu' is not an activation of torch.nn"),
        ({"activation": "RReLU"}, "model.activation: 'RReLU'"),
        ({"activation": "functional"}, "model.activation"),
        ({"kernel_sizes": [27]}, "leave no pixels"),
        ({"dropout": 1.0}, "model.dropout: 1.0; it must be at least 0 and below 1"),
        ({"dropout": -0.1}, "model.dropout"),
    ],
)
def test_impossible_models_are_refused(
    change: dict[str, Any], message: str, make_model: Callable[..., ConvNet]
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_model(**change)


@pytest.mark.parametrize("dropout", [0.1, 0.25])
def test_dropout_keeps_the_mean_in_bf16_as_in_float32(
    dropout: float, make_model: Callable[..., ConvNet]
) -> None:
    """The same values are dropped, so that the means differ by roundings alone: 0.05 % over 3,000
    pictures. A factor that is rounded itself is off by 0.19 % with 0.25, and by 0.16 % with 0.1."""
    model = make_model(dropout=dropout)
    with torch.no_grad():
        model.fc.weight.abs_()  # so that nothing cancels out
    x = torch.rand(3_000, 1, 28, 28, generator=torch.Generator().manual_seed(2))

    def means(dtype: torch.dtype, *, training: bool) -> torch.Tensor:
        model.train(training).zero_grad()
        autocast = torch.autocast("cpu", dtype, enabled=dtype != torch.float32)
        with RandomState(torch.device("cpu"), 1), autocast:
            logits = model(x).float()
        logits.sum().backward()
        assert model.fc.weight.grad is not None
        return torch.stack([logits.detach().double().sum(), model.fc.weight.grad.double().sum()])

    kept, expected = (
        means(dtype, training=True) / means(dtype, training=False)
        for dtype in (torch.bfloat16, torch.float32)
    )
    torch.testing.assert_close(kept, expected, rtol=5e-4, atol=0)
    torch.testing.assert_close(expected, torch.ones(2).double(), rtol=5e-3, atol=0)
