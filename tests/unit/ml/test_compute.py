from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

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
def test_what_a_step_frees_is_the_next_ones() -> None:
    """Every page anew was a third of a training's time. Page faults are counts, not times."""
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
