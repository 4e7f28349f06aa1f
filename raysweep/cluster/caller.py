"""What a sweep changes of the process that it runs in, given back when it ends.

A sweep sets variables that Ray and Tune read, Ray and Tune set handlers, levels and a hook, and in
local mode the trials train in the caller's own process. A notebook goes on after that: its next
`tune.Tuner` must log, write its state and hear a Ctrl-C as if there had been no sweep.

What cannot be given back: modules that were imported stay imported, and so does what their import
did; Ray's session folder and its exit hooks stay.
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
def left_as_it_was(*, local_mode: bool) -> Iterator[None]:
    """When the block ends, however it does, the process is as it was before.

    `local_mode`: whether trials train in this process.
    Raises UserError where a sweep is running in it already: both would drive one Ray, and one
    process has one environment, one stdout and one set of handlers.
    """
    with _alone(), ExitStack() as stack:
        for kind in (_environment, signals.as_before, _streams, _loggers, _search_path, _folder):
            stack.enter_context(kind())
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
    """stdin, stdout and stderr as Python has them, and its hooks."""
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
    """Those that there are. One that an import makes is as the import left it."""
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
    """Where Python looks for modules: a config's folder, and the working folder, are added."""
    before = sys.path[:]
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def _folder() -> Iterator[None]:
    """The working folder."""
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
    """How many files may be open: Ray raises it as far as it may be raised."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        if resource.getrlimit(resource.RLIMIT_NOFILE) != before:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def _random_state() -> Iterator[None]:
    """Python's and NumPy's global generators, from which Tune and a user's part may draw."""
    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
