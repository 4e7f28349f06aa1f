"""Restore the state of the caller's process when a sweep ends.

A sweep sets environment variables for Ray and Tune; Ray and Tune set signal handlers, log levels
and a hook; in local mode the trials train in the caller's process. A notebook continues afterwards:
its next `tune.Tuner` must log, write its state and react to Ctrl-C as if there had been no sweep.

Not restored: imported modules stay imported, with the effects of their import; Ray's session folder
and its exit hooks stay.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import resource
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import optuna

from raysweep.cluster import signals
from raysweep.cluster.nodes import in_one_process
from raysweep.errors import UserError

_running = threading.Lock()


@contextmanager
def process_restored(*, local_mode: bool) -> Iterator[None]:
    """Restore the process's state at the end of the block, however it ends.

    `local_mode`: whether trials train in this process.
    Raises UserError if a sweep is running in this process already: both would drive one Ray, and a
    process has one environment, one stdout and one set of signal handlers.
    """
    with _alone(), ExitStack() as stack:
        stack.enter_context(_environment())
        stack.enter_context(signals.handlers_and_mask_restored())
        stack.enter_context(_streams())
        stack.enter_context(_loggers())
        stack.enter_context(_search_path())
        stack.enter_context(_folder())
        stack.enter_context(_limits())
        stack.enter_context(_random_state())
        stack.enter_context(warnings.catch_warnings())
        if local_mode or in_one_process():
            from raysweep.ml.compute import settings_given_back

            stack.enter_context(settings_given_back())
        yield


@contextmanager
def _alone() -> Iterator[None]:
    if not _running.acquire(blocking=False):
        raise UserError(
            "this process is running a sweep already, and one process runs one at a time; wait for "
            "its end, or run this one in a process of its own"
        )
    try:
        yield
    finally:
        _running.release()


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextmanager
def _streams() -> Iterator[None]:
    """Restore Python's stdin, stdout and stderr, and its hooks."""
    names = ("stdin", "stdout", "stderr", "excepthook", "breakpointhook", "unraisablehook")
    before = {name: getattr(sys, name) for name in names}
    faults = faulthandler.is_enabled()  # ray.init turns it on
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(sys, name, value)
        if not faults:
            faulthandler.disable()


@contextmanager
def _loggers() -> Iterator[None]:
    """Restore the loggers that exist now. Those that imports create later stay as they are."""
    optuna.logging.get_verbosity()  # Optuna sets its own up on the first use
    known = [each for each in _named_loggers() if isinstance(each, logging.Logger)]
    before = [
        (each, each.level, each.handlers[:], each.filters[:], each.propagate, each.disabled)
        for each in (logging.root, *known)
    ]
    disabled = logging.root.manager.disable
    try:
        yield
    finally:
        logging.disable(disabled)
        for each, level, handlers, filters, propagate, off in before:
            each.setLevel(level)
            each.handlers[:], each.filters[:] = handlers, filters
            each.propagate, each.disabled = propagate, off


def _named_loggers() -> list[logging.Logger | logging.PlaceHolder]:
    return list(logging.root.manager.loggerDict.values())


@contextmanager
def _search_path() -> Iterator[None]:
    """Restore `sys.path`, to which a sweep adds the config's folder and the working folder."""
    before = sys.path[:]
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _folder() -> Iterator[None]:
    """Restore the working folder."""
    try:
        before = Path.cwd()
    except OSError:  # it has been removed
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            if not Path.cwd().samefile(before):
                os.chdir(before)


@contextmanager
def _limits() -> Iterator[None]:
    """Restore the limit on open files, which Ray raises as far as it can."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        if resource.getrlimit(resource.RLIMIT_NOFILE) != before:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def _random_state() -> Iterator[None]:
    """Restore Python's and NumPy's global generators, which Tune and the user's parts may use."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
