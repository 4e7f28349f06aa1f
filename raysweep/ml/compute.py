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
"""Bytes from which malloc maps a block separately (and unmaps it when it is freed). The second is
the maximum that glibc before 2.35 accepts."""
_NEVER = -1

_borrowed = False
"""Whether this process belongs to another program, which continues after the training."""

Network = TypeVar("Network", bound=nn.Module)
Value = TypeVar("Value")


def use_threads(count: int) -> None:
    """Make this process compute on `count` CPU threads from now on.

    The count affects the result: sums are split between threads, so one and two threads give
    weights that differ in their last bits. The same count gives the same bits.
    """
    torch.set_num_threads(count)


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory for the next tensors instead of returning it to the system.

    A step frees as much as it allocates. If glibc returned that memory, the next step would get new
    pages, which the kernel maps and zeroes one by one: 10,000 page faults per step of 128 pictures;
    two concurrent trials took 48 ms a step instead of 31 (bf16, validation included). Results do
    not change. The price: a process stays about as large as its largest trial made it.

    mallopt(3) documents the options. It does nothing on other systems and libcs, nor in a process
    that belongs to another program (`settings_given_back`): malloc's settings cannot be read, so
    they could not be restored.
    """
    if sys.platform != "linux" or _borrowed:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # If glibc refuses the threshold, do not set the other option: glibc would then stop raising
    # the threshold dynamically, from 128 kB.
    if mallopt and any(mallopt(_M_MMAP_THRESHOLD, size) for size in _MAPPED_BY_ITSELF):
        mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextmanager
def settings_given_back() -> Iterator[None]:
    """Train in a process that belongs to another program: restore torch's settings at the end."""
    global _borrowed
    borrowed_before, _borrowed = _borrowed, True
    threads = torch.get_num_threads()
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    matmul = _readable(torch.get_float32_matmul_precision)
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
        if matmul is not None and _readable(torch.get_float32_matmul_precision) != matmul:
            torch.set_float32_matmul_precision(matmul)
        for owner, name, value in before:
            if value is not None and _read(owner, name) != value:
                setattr(owner, name, value)


def _backend_settings() -> Iterator[tuple[Any, str]]:
    """Yield (object, attribute) of each torch switch that changes how a backend computes."""
    backends: Any = torch.backends
    for name in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        yield backends.cudnn, name
    for name in (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    ):
        yield backends.cuda.matmul, name
    cudnn, mkldnn = backends.cudnn, backends.mkldnn
    for owner in (backends, cudnn, cudnn.conv, cudnn.rnn, backends.cuda.matmul, mkldnn.matmul):
        yield owner, "fp32_precision"
    yield mkldnn, "enabled"


def _read(owner: Any, name: str) -> Any:
    """Read a switch; None if torch does not have it, or refuses to read it: TF32 has two APIs, and
    torch refuses to read by the one what was set by the other."""
    return _readable(lambda: getattr(owner, name, None))


def default_device() -> torch.device:
    """Return CUDA if available, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def number_format(precision: str, device: torch.device) -> torch.dtype:
    """Return the format of convolutions and products; weights stay float32.

    float32 means float32 on CUDA too, not TF32 (see `exact_products`).

    `auto` is bf16 if the hardware multiplies it: on CUDA, or on a CPU with AMX or AVX512-BF16,
    where a step takes a third to two thirds as long as in fp32 (without the instructions, longer).
    The CPU's flags are read from Linux's /proc/cpuinfo; elsewhere `auto` is fp32. In a sweep it is
    the format that `auto_means` has set.

    Raises ConfigError for an unknown name.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"train.precision: {precision!r}; one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        precision = _auto or ("bf16" if has_fast_bf16(device) else "fp32")
    return torch.bfloat16 if precision == "bf16" else torch.float32


_auto: str | None = None


def auto_means(precision: str | None) -> None:
    """Fix the meaning of `auto` (`fp32`, `bf16`) in this process, whatever machine it is on, since
    the format affects the result. None: the format that the machine is fast at.

    Every machine can compute in both. Without the instructions bf16 is slower, but correct.
    """
    global _auto
    _auto = precision


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether `device` has instructions for bf16 and PyTorch uses them."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    mkldnn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return mkldnn and cpu.has_fast_bf16()


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Make float32 mean float32 on CUDA within the block, then restore all settings.

    PyTorch's default for convolutions is TF32, which has only 10 bits of mantissa.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn  # PyTorch has one older setting of it and CUDA
    settings: tuple[Any, ...] = (
        cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul, mkldnn.matmul
    )  # fmt: skip
    # PyTorch has two APIs for these settings; the older raises if the newer has set another value.
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

    PyTorch refuses that for weights of rank 5, as in Conv3d: those become channels_last_3d (25 ms
    instead of 34; bf16, CPU), unless the model has weights of both ranks.
    """
    ranks = {weight.dim() for weight in chain(model.parameters(), model.buffers())}
    if {4, 5} <= ranks:
        return model.to(device=device)
    memory_format = torch.channels_last_3d if 5 in ranks else torch.channels_last
    return model.to(device=device, memory_format=memory_format)  # type: ignore[call-overload, no-any-return]


def as_weights(x: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """Convert floating-point examples to the dtype of the model's weights (float32, if it has
    none): data may be of half or double precision. Integers, which may be indices, stay."""
    if not x.is_floating_point():
        return x
    formats = (each.dtype for each in model.parameters() if each.is_floating_point())
    return x.to(next(formats, torch.float32))


def as_labels(y: torch.Tensor) -> torch.Tensor:
    """Convert labels of any integer type to int64, as cross-entropy requires; others stay."""
    return y if y.is_floating_point() else y.long()


def place_split(split: Split, device: torch.device) -> Split:
    """Return `split` on `device`; it is moved once and cached for as long as the split lives.

    On a GPU the whole data set stays in its memory: batches are gathered without the CPU. On a CPU
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
