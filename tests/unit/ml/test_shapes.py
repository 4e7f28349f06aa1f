from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.shapes import feature_map, linear_inputs


@pytest.mark.parametrize("kernels", [[1], [3], [5, 3], [2, 7]])
@pytest.mark.parametrize("pools", [[1], [2], [3, 2]])
def test_the_side_is_what_the_layers_leave(kernels: list[int], pools: list[int]) -> None:
    x = torch.zeros(1, 1, 28, 28)
    for at in (0, -1):
        x = nn.MaxPool2d(pools[at])(nn.Conv2d(1, 1, kernels[at])(x))
    assert feature_map(28, kernels, pools) == x.shape[-1]
    assert linear_inputs(28, [4, 6], kernels, pools) == 6 * x.shape[-1] ** 2


@pytest.mark.parametrize(
    ("kernels", "pools"), [([29], [2]), ([3], [14]), ([3, 14], [2]), ([3], [2, 12]), ([3], [40])]
)
def test_sizes_that_leave_no_pixels_are_refused(kernels: list[int], pools: list[int]) -> None:
    with pytest.raises(ConfigError, match="leave no pixels of a 28x28 picture") as caught:
        feature_map(28, kernels, pools)
    assert "\n" not in str(caught.value)
    assert str(kernels) in str(caught.value) and str(pools) in str(caught.value)


def test_the_smallest_map_is_one_pixel() -> None:
    assert feature_map(28, [28, 1], [1]) == 1


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys, raysweep.ml.shapes, raysweep.ml.files, raysweep.ml.seeds; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
