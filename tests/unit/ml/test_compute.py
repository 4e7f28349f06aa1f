from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml import compute
from raysweep.ml.datasets import Split

CPU = torch.device("cpu")


def test_named_precisions() -> None:
    assert compute.number_format("fp32", CPU) is torch.float32
    assert compute.number_format("bf16", CPU) is torch.bfloat16
    with pytest.raises(ConfigError, match="'fp16'; one of auto, fp32, bf16"):
        compute.number_format("fp16", CPU)


@pytest.mark.skipif(
    not hasattr(torch.cpu, "get_capabilities"), reason="this PyTorch does not tell what a CPU can"
)
def test_auto_agrees_with_pytorchs_own_view_of_the_cpu() -> None:
    can = torch.cpu.get_capabilities()
    fast = bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    assert compute.has_fast_bf16(CPU) == fast
    assert (compute.number_format("auto", CPU) is torch.bfloat16) == fast


def test_threads_are_set_for_the_process() -> None:
    compute.use_threads(2)
    assert torch.get_num_threads() == 2
    compute.use_threads(1)
    assert torch.get_num_threads() == 1


FAULTS = """
import resource, sys
import torch
from torch import nn
from raysweep.ml import compute

def step():
    torch.ones(48, 1 << 18), torch.ones(48, 1 << 18)  # 48 MiB each

if sys.argv[1] == "kept":
    compute.keep_freed_memory()
for _ in range(20):  # steps that settle where the tensors are
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told")
def test_a_step_reuses_the_memory_that_the_last_one_freed() -> None:
    """New pages took a third of a training's time. The test counts page faults, not time."""
    own = ("LD_PRELOAD", "MALLOC_", "GLIBC_TUNABLES")
    env = {key: value for key, value in os.environ.items() if not key.startswith(own)}

    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, env=env
        )
        return int(done.stdout)

    assert faults("kept") * 20 < faults("given back")


def test_on_a_cpu_a_split_stays_where_it_is() -> None:
    split = Split(torch.zeros(2, 1, 28, 28), torch.zeros(2).long())
    assert compute.place_split(split, CPU) is split


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_a_split_is_moved_once() -> None:
    device = torch.device("cuda", 0)
    split = Split(torch.rand(2, 1, 28, 28), torch.zeros(2).long())
    placed = compute.place_split(split, device)
    assert placed.x.device == device and torch.equal(placed.x.cpu(), split.x)
    assert compute.place_split(split, device) is placed


@pytest.mark.parametrize(
    ("layers", "formats"),
    [
        ((nn.Conv2d(2, 4, 3),), (torch.channels_last,)),
        ((nn.Conv3d(2, 4, 3),), (torch.channels_last_3d,)),
        ((nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3)), (torch.contiguous_format,) * 2),
        ((nn.Conv1d(2, 4, 3), nn.Linear(4, 2)), (torch.contiguous_format,) * 2),
    ],
)
def test_weights_have_the_format_of_their_ranks(
    layers: tuple[nn.Module, ...], formats: tuple[torch.memory_format, ...]
) -> None:
    model = compute.place_model(nn.Sequential(*layers), CPU)
    for layer, memory_format in zip(model, formats, strict=True):
        assert isinstance(layer.weight, torch.Tensor)
        assert layer.weight.is_contiguous(memory_format=memory_format)


def tf32() -> tuple[Any, ...]:
    """Return all of PyTorch's TF32 settings. Each exists twice."""
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    newer = (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, matmul.fp32_precision)
    return (*newer, cudnn.allow_tf32, torch.get_float32_matmul_precision())


def test_float32_is_float32_on_a_gpu_while_computing() -> None:
    """The settings need no GPU."""
    gpu, before = torch.device("cuda"), tf32()
    assert before[0] == "tf32", "PyTorch's default for convolutions"
    with compute.exact_products(gpu):
        assert tf32()[:4] == ("ieee", "ieee", "ieee", False)
        with torch.backends.cudnn.flags(enabled=True):
            pass  # which reads the older settings, and raises where the newer say otherwise
    assert tf32() == before
    with compute.exact_products(CPU):
        assert tf32() == before
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(KeyError), compute.exact_products(gpu):
            assert tf32() == ("ieee", "ieee", "ieee", False, "highest")
            raise KeyError
        assert tf32() == (*before[:2], "tf32", True, "high"), "as the caller had it"
    finally:
        torch.set_float32_matmul_precision(before[4])


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_program_has_its_precision_back(precision: str) -> None:
    """A custom part may set it, as PyTorch's documentation recommends."""
    mkldnn: Any = torch.backends.mkldnn
    before = (*tf32(), mkldnn.matmul.fp32_precision)
    with compute.settings_given_back():
        torch.set_float32_matmul_precision(precision)
        assert tf32() != before[:-1]
    assert (*tf32(), mkldnn.matmul.fp32_precision) == before


@pytest.mark.parametrize("given", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
@pytest.mark.parametrize("weights", [torch.float32, torch.float64])
def test_examples_take_the_format_of_the_weights(given: torch.dtype, weights: torch.dtype) -> None:
    model = nn.Linear(3, 2, dtype=weights)
    assert compute.as_weights(torch.ones(2, 3, dtype=given), model).dtype is weights
    assert compute.as_weights(torch.ones(2, 3, dtype=given), nn.Flatten()).dtype is torch.float32


def test_integers_stay() -> None:
    """They may be the indices of an nn.Embedding."""
    x = torch.ones(2, 3, dtype=torch.int64)
    assert compute.as_weights(x, nn.Linear(3, 2)) is x
