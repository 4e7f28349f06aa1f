"""Optimizers that step without importing torch's compiler, and to the same numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from raysweep.ml.optimizers import make_optimizer

SETTINGS = {"learning_rate": 0.1, "weight_decay": 0.02, "momentum": 0.7}

TRAIN = """
import sys
import torch
from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split
from raysweep.ml.training import Trainer

architecture = dict(hidden_layer_sizes=[2, 2], kernel_sizes=[3], activation="ReLU", pool_sizes=[2],
                    dropout=0.1, num_classes=10)
split = Split(torch.rand(64, 1, 28, 28), torch.arange(64) % 10)
for name, schedule in ("AdamW", "one-cycle"), ("SGD", "cosine"), ("RMSprop", "none"):
    settings = dict(optimizer=name, schedule=schedule, batch_size=32, epochs=2, precision="fp32")
    trainer = Trainer(ConvNet(**architecture), split, split, seed=0, **settings)
    list(trainer.epoch())
    trainer.load_state_dict(trainer.state_dict())
    list(trainer.epoch())
print("torch._dynamo" in sys.modules)
"""

COMPILE = """
import torch
from raysweep.ml.optimizers import make_optimizer

def train(compiled):
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 6))
    optimizer = make_optimizer("AdamW", [weights], learning_rate=0.1, weight_decay=0.1, momentum=0)
    def step():
        optimizer.zero_grad()
        weights.sin().sum().backward()
        optimizer.step()
    for _ in range(3):
        (torch.compile(step, backend="eager") if compiled else step)()
    return weights.detach()

eager = train(compiled=False)
print(torch.equal(eager, train(compiled=True)) and torch.equal(eager, train(compiled=False)))
"""


def test_a_training_and_its_restoring_import_no_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def stepped(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> torch.Tensor:
    for scale in (1.0, -0.5, 0.25):
        optimizer.zero_grad()
        (parameter.sin() * scale).sum().backward()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "Rprop"])
def test_its_steps_are_torchs_own_bit_for_bit(name: str) -> None:
    """torch's own import the compiler, so that the later ones run with it there."""
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2))
    mine = make_optimizer(name, [ours], **SETTINGS)
    options = {k: v for k, v in mine.defaults.items() if k != "differentiable"}
    accepted = getattr(torch.optim, name).__init__.__code__.co_varnames
    reference = getattr(torch.optim, name)(
        [theirs], **{k: v for k, v in options.items() if k in accepted}
    )
    assert torch.equal(stepped(mine, ours), stepped(reference, theirs))
    assert type(mine).__name__ == name
    assert isinstance(mine, getattr(torch.optim, name))
    assert not ours.grad_fn


def test_a_step_can_be_compiled_afterwards() -> None:
    """A user's module may compile what it likes, in the same process, before or after."""
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"]
