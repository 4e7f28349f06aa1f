"""Silence Ray's own output, and set its environment variables for a sweep."""

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
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would stop the trials, which would then log models
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the tracker records; no CSV, JSON, TBX beside it
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # it writes all trials' state; resume uses the journal
    # With a custom search algorithm it is 1: workers would start one after the other, each in 3 s.
    # The searcher limits how many trials there are at once.
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Variables that Ray and Tune read. A variable that the user has set stays as it is."""

STORE_CONNECT = {
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
}
"""Retry interval and limit of the raylet's connection to its object store. It first connects 0.5 ms
after it has started the store, which is too soon on a busy machine; by default it then retries 10
times, every 1 s. If the user has set either variable, both stay as they are."""

OWN_RAY = {"RAY_task_events_report_interval_ms": "0"}
"""For a Ray that is started here, which has no dashboard. By default every process reports each
task to Ray's GCS, which keeps the last 100,000 for the dashboard: 32 kB a trial. If the user has
set the variable, it stays as it is."""

MARKERS = (":job_id:", ":actor_name:", ":task_name:")
"""Prefixes of lines that a Ray worker prints for Ray's log monitor. In local mode the driver is the
worker."""

ALARM = "(raylet)"
"""The coloured prefix of ten lines that Ray writes to stdout for each process or node that is lost.
raysweep reports what follows, in one line."""


def apply_settings(*, joined: bool = False) -> None:
    """Set `SETTINGS` and `STORE_CONNECT`, and `OWN_RAY` unless a cluster is joined. Call it before
    Ray starts."""
    for name, value in (SETTINGS if joined else SETTINGS | OWN_RAY).items():
        os.environ.setdefault(name, value)
    if not STORE_CONNECT.keys() & os.environ.keys():
        os.environ.update(STORE_CONNECT)


@contextlib.contextmanager
def silenced(verbose: bool) -> Iterator[None]:
    """Drop Ray's log lines, except fatal ones, and its markers within the block, unless `verbose`.

    raysweep reports a trial's failure itself, in one line; Tune would log its traceback twice.
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
    """A text stream that drops markers and alarms, and otherwise delegates to its stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False

    def write(self, text: str) -> int:
        ends_it = self._dropped and text == "\n"  # `print` writes the line end separately
        self._dropped = text.startswith(MARKERS) or ALARM in text[:20]
        if self._dropped or ends_it:
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
