"""What a program can see of its own process, to be compared before and after a sweep."""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import resource
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from torch.optim import Optimizer


def state() -> dict[str, Any]:
    """Name → value of all that a sweep, Ray, Tune, or a training could change."""
    return {
        "environment": dict(os.environ),
        "handlers": {each: signal.getsignal(each) for each in signal.valid_signals()},
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "folder": Path.cwd(),
        "search path": sys.path[:],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.breakpointhook, sys.unraisablehook, threading.excepthook),
        "faults": faulthandler.is_enabled(),
        "filters": warnings.filters[:],
        "showing": warnings.showwarning,
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch random": torch.get_rng_state().tolist(),
        "torch": _torch(),
        "optimizers": _optimizers(),
        "optuna": optuna.logging.get_verbosity(),
        "loggers": _loggers(),
        "logging": logging.root.manager.disable,
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
    }


def _torch() -> dict[str, Any]:
    backends: Any = torch.backends
    cudnn, matmul = backends.cudnn, backends.cuda.matmul
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "cudnn": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        "matmul": (matmul.allow_tf32, torch.get_float32_matmul_precision()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "mkldnn": backends.mkldnn.enabled,
    }


def _optimizers() -> dict[str, Any]:
    """Optimizer's methods, and what torch keeps beside the functions in them."""
    found = {}
    for name, method in vars(Optimizer).items():
        wrapped = getattr(getattr(method, "__func__", method), "__wrapped__", None)
        found[name] = (method, dict(vars(wrapped)) if wrapped is not None else None)
    return {name: each for name, each in found.items() if callable(each[0])}


def _loggers() -> dict[str, Any]:
    named = logging.root.manager.loggerDict.items()
    known = {name: each for name, each in named if isinstance(each, logging.Logger)}
    return {
        name: (each.level, each.handlers[:], each.filters[:], each.propagate, each.disabled)
        for name, each in [("", logging.root), *known.items()]
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What has changed, in words. A logger that an import has made meanwhile is no change."""
    known = {name: after["loggers"].get(name) for name in before["loggers"]}
    after = {**after, "loggers": known}
    return [
        f"{name}: {before[name]!r}, then {after[name]!r}"
        for name in before
        if before[name] != after[name]
    ]
