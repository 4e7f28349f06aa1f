"""Describe the machine and the versions of a measurement."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("ray", "torch", "torchvision", "trackio", "optuna", "wandb")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
ROOT = Path(__file__).resolve().parents[2]


def header(*, gpu: bool = False) -> dict[str, Any]:
    """Collect the machine, the versions and the commit."""
    return {
        **({"gpu": gpu_name()} if gpu else {}),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": _commit(),
        "cpu": _cpu_model(),
        "cpu_flags": [flag for flag in FLAGS if flag in _cpu_info("flags").split()],
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def has_fast_bf16() -> bool:
    """Return whether `precision: auto` means bf16 on this CPU."""
    import torch

    from raysweep.ml.compute import number_format

    return number_format("auto", torch.device("cpu")) == torch.bfloat16


def gpu_name() -> str | None:
    """Return the name of the CUDA device; None if there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _cpu_model() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(key: str) -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(key))
    return next(found, "")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
