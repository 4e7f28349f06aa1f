"""Keeping Ray's own chatter out of sight, and its habits out of the way."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no call home from a run that needs no network
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would stop the trials, who would then log models
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the tracker records; no CSV, JSON, TBX beside it
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # all trials' state each time; we resume by the journal
    # With a search algorithm of one's own it is 1: workers would start one after the other, each in
    # 3 s. How many trials there are at once we say ourselves.
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""What Ray reads from the environment. A variable that the user has set stays as it is."""

PATIENCE = {
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
}
"""A raylet looks for its own object store 0.5 ms after it has started it; where the machine is busy
that is too soon, and by itself it looks again after 1 s, 10 times. Both are the user's, or none."""

MARKERS = (":job_id:", ":actor_name:", ":task_name:")
"""Lines that a Ray worker prints for Ray's log monitor. In local mode we are the worker."""

ALARM = "(raylet)"
"""Begins, in colour, ten lines that Ray writes to stdout of each process or node that is gone. What
becomes of it is ours to tell, in one."""


def apply_settings() -> None:
    """Set `SETTINGS`, and `PATIENCE`. To be called before Ray starts."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if not PATIENCE.keys() & os.environ.keys():
        os.environ.update(PATIENCE)


@contextlib.contextmanager
def hushed(verbose: bool) -> Iterator[None]:
    """Within it, Ray logs nothing but what is fatal, and no marker reaches the screen.

    A trial's failure is ours to tell, once and in one line; Tune would log its traceback twice.
    """
    if verbose:
        yield
        return
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train")]
    levels = [logger.level for logger in loggers]
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (each and _WithoutMarkers(each) for each in streams)  # None: closed
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, message=".*local_mode")
            yield
    finally:
        sys.stdout, sys.stderr = streams
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _WithoutMarkers:
    """A text stream that drops markers and alarms, and is the stream it wraps in all else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False

    def write(self, text: str) -> int:
        ends_it = self._dropped and text == "\n"  # `print` writes it by itself
        self._dropped = text.startswith(MARKERS) or ALARM in text[:20]
        if self._dropped or ends_it:
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
