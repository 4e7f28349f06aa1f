"""Compute the sizes of the network's feature maps, without building it."""

from __future__ import annotations

from collections.abc import Sequence

from raysweep.errors import ConfigError

INPUT_SHAPE = (1, 28, 28)
"""(channels, height, width) of every picture: 28×28 greyscale, as MNIST is."""


def feature_map(input_hw: int, kernel_sizes: Sequence[int], pool_sizes: Sequence[int]) -> int:
    """Compute the side, in pixels, of the feature map after both layers, for a square input.

    A layer is a convolution without padding and a max-pool of stride = size. The first number of
    each list is for the first layer, the last for the second: a list of one serves both.

    Raises ConfigError if a layer leaves no pixels.
    """
    side = input_hw
    for layer, at in ((1, 0), (2, -1)):
        before, kernel, pool = side, kernel_sizes[at], pool_sizes[at]
        side = max(before - kernel + 1, 0) // pool
        if side < 1:
            raise ConfigError(
                f"model: kernel_sizes {list(kernel_sizes)} and pool_sizes {list(pool_sizes)} leave "
                f"no pixels of a {input_hw}x{input_hw} picture (layer {layer} gets "
                f"{before}x{before}, convolves {kernel}x{kernel}, pools {pool}x{pool}); "
                "use smaller ones"
            )
    return side


def linear_inputs(
    input_hw: int,
    hidden_layer_sizes: Sequence[int],
    kernel_sizes: Sequence[int],
    pool_sizes: Sequence[int],
) -> int:
    """Count the inputs of the last, linear layer. Raises ConfigError as `feature_map` does."""
    return feature_map(input_hw, kernel_sizes, pool_sizes) ** 2 * hidden_layer_sizes[-1]
