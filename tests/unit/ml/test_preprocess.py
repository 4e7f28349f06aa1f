from __future__ import annotations

import torch

from raysweep.ml.datasets import Split
from raysweep.ml.preprocess import preprocess

RAW = Split(torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8), torch.arange(4))


def test_both_steps() -> None:
    done = preprocess(RAW, normalize=True, expand_dims=True)
    assert done.x.dtype == torch.float32 and done.x.shape == (4, 1, 28, 28)
    assert torch.equal(done.x[:, 0], RAW.x.float() / 255)
    assert torch.equal(done.y, RAW.y)


def test_each_step_alone() -> None:
    assert preprocess(RAW, normalize=False, expand_dims=True).x.dtype == torch.uint8
    assert preprocess(RAW, normalize=True, expand_dims=False).x.shape == (4, 28, 28)


def test_the_input_stays_as_it_is() -> None:
    before = RAW.x.clone()
    preprocess(RAW, normalize=True, expand_dims=True)
    assert torch.equal(RAW.x, before) and RAW.x.dtype == torch.uint8
