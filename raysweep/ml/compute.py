"""Where and how to compute: device, threads, number format, and tensors placed for it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml import cpu
from raysweep.ml.eager import compiler_given_back
from raysweep.ml.protocols import Split

PRECISIONS = ("auto", "fp32", "bf16")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_MAPPED_BY_ITSELF = (1 << 30, 32 << 20)
"""Bytes from which on a block is mapped, and when it is freed unmapped, by itself. The second is as
much as glibc before 2.35 takes."""
_NEVER = -1

_borrowed = False
"""Whether this process is another program's, which goes on after the training."""

Network = TypeVar("Network", bound=nn.Module)
Value = TypeVar("Value")


def use_threads(count: int) -> None:
    """Let this process compute on `count` CPU threads from now on.

    Part of what a training computes: sums are split between threads, so that one and two threads
    give weights that differ in their last bits. The same count gives the same bits.
    """
    torch.set_num_threads(count)


def keep_freed_memory() -> None:
    """Let glibc give what this process frees to its next tensors, not back to the system, for good.

    A step frees as much as it takes. Given back, all of it is new pages to the next step, which the
    kernel hands out and zeroes one by one: 10,000 page faults a step of 128 pictures, and two
    trials at once took 48 ms a step instead of 31 (bf16, validation included). No number changes.
    The price: a process stays about as large as its largest trial made it.

    mallopt(3) has the options. Another system, or libc, goes on as it does; and so does a process
    that is another program's (`settings_given_back`): nothing says what malloc was set to before.
    """
    if sys.platform != "linux" or _borrowed:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # A glibc that refuses the threshold must not be given the other one: it would then stop
    # raising the threshold by itself, from 128 kB.
    if mallopt and any(mallopt(_M_MMAP_THRESHOLD, size) for size in _MAPPED_BY_ITSELF):
        mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextmanager
def settings_given_back() -> Iterator[None]:
    """Train in a process that is another program's: when the block ends, torch's settings are those
    from before it."""
    global _borrowed
    borrowed_before, _borrowed = _borrowed, True
    threads = torch.get_num_threads()
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    before = [(owner, name, _read(owner, name)) for owner, name in _backend_settings()]
    try:
        with compiler_given_back():
            yield
    finally:
        _borrowed = borrowed_before
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        for owner, name, value in before:
            if value is not None and _read(owner, name) != value:
                setattr(owner, name, value)


def _backend_settings() -> Iterator[tuple[Any, str]]:
    """(object, attribute) of each of torch's switches for how its backends compute."""
    backends: Any = torch.backends
    for name in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        yield backends.cudnn, name
    for name in (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    ):
        yield backends.cuda.matmul, name
    for owner in (backends, backends.cudnn, backends.cudnn.conv, backends.cuda.matmul):
        yield owner, "fp32_precision"
    yield backends.mkldnn, "enabled"


def _read(owner: Any, name: str) -> Any:
    """None where torch has no such switch, or, of TF32, where it was set by another of its two
    ways, which torch refuses to be read by the first."""
    try:
        return getattr(owner, name, None)
    except RuntimeError:
        return None


def default_device() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def number_format(precision: str, device: torch.device) -> torch.dtype:
    """The format that convolutions and products are computed in; weights stay float32.

    float32 is that on CUDA as well, and not TF32 (see `exact_products`).

    `auto` is bf16 where the hardware multiplies it: on CUDA, or a CPU with AMX or AVX512-BF16,
    where a step takes a third to two thirds as long as in fp32 (without the instructions, longer).
    The CPU says so in Linux's /proc/cpuinfo; elsewhere `auto` is fp32. In a sweep it is what
    `auto_means` was told.

    Raises ConfigError for another name.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"train.precision: {precision!r}; one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = _auto or ("bf16" if has_fast_bf16(device) else "fp32")
    return torch.bfloat16 if precision == "bf16" else torch.float32


_auto: str | None = None


def auto_means(precision: str | None) -> None:
    """Let `auto` be this format (`fp32`, `bf16`) in this process from now on, whatever machine it
    is on: part of what a training computes. None: what the machine is fast at.

    Each can compute in either. Without the instructions bf16 takes longer, and is right.
    """
    global _auto
    _auto = precision


def has_fast_bf16(device: torch.device) -> bool:
    """Whether `device` has instructions for bf16 and PyTorch uses them."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    mkldnn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return mkldnn and cpu.has_fast_bf16()


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Within it, float32 means float32 on CUDA: no TF32, of 10 bits of mantissa, in convolutions
    (where it is PyTorch's default) and products. Then all settings are as they were."""
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn  # PyTorch has one older setting of it and CUDA
    settings: tuple[Any, ...] = (
        cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul, mkldnn.matmul
    )  # fmt: skip
    # PyTorch has these settings twice, of which the older raises where the newer says otherwise.
    conv_before: bool | None = _readable(lambda: cudnn.allow_tf32)
    matmul_before = _readable(torch.get_float32_matmul_precision)
    before = [each.fp32_precision for each in settings]
    cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    for each in settings:
        each.fp32_precision = "ieee"
    try:
        yield
    finally:
        if conv_before is not None:
            cudnn.allow_tf32 = conv_before
        if matmul_before is not None:
            torch.set_float32_matmul_precision(matmul_before)
        for each, precision in zip(settings, before, strict=True):
            each.fp32_precision = precision


def _readable(setting: Callable[[], Value]) -> Value | None:
    try:
        return setting()
    except RuntimeError:
        return None


def place_model(model: Network, device: torch.device) -> Network:
    """Move `model` to `device`, channels_last: a step takes 43 ms instead of 52 (fp32, CPU).

    PyTorch refuses that for weights of rank 5, as Conv3d's: those are channels_last_3d (25 ms
    instead of 34; bf16, CPU), unless the model has weights of both ranks.
    """
    ranks = {weight.dim() for weight in chain(model.parameters(), model.buffers())}
    if {4, 5} <= ranks:
        return model.to(device=device)
    memory_format = torch.channels_last_3d if 5 in ranks else torch.channels_last
    return model.to(device=device, memory_format=memory_format)  # type: ignore[call-overload, no-any-return]


def as_weights(x: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """Examples of floating point in the format of the model's weights (float32, if it has none):
    data of half or double precision is of another. Whole numbers, which may be indices, stay."""
    if not x.is_floating_point():
        return x
    formats = (each.dtype for each in model.parameters() if each.is_floating_point())
    return x.to(next(formats, torch.float32))


def as_labels(y: torch.Tensor) -> torch.Tensor:
    """Labels of any whole-number type as int64, which cross-entropy takes; others as they are."""
    return y if y.is_floating_point() else y.long()


def place_split(split: Split, device: torch.device) -> Split:
    """`split` on `device`, moved once for as long as the split lives.

    On a GPU the whole data set then stays there: batches are gathered without the CPU. On a CPU
    the split is returned as it is, mapped from its file.
    """
    if device.type == "cpu":
        return split
    places = _placed.setdefault(split, {})
    if device not in places:
        # From pinned memory the copy runs at the bus's speed, without a second staging copy.
        places[device] = Split(
            split.x.pin_memory().to(device, non_blocking=True),
            split.y.pin_memory().to(device, non_blocking=True),
        )
    return places[device]


_placed: WeakKeyDictionary[Split, dict[torch.device, Split]] = WeakKeyDictionary()
