"""Follow a remote job until it ends."""

from __future__ import annotations

import asyncio
import shlex
import time
from typing import Any, TextIO

from raysweep.errors import JobFailed
from raysweep.submission import job_server
from raysweep.submission.job_log import JobLog

ATTEMPTS = 5
PAUSE_S = 2
"""Seconds between two attempts to reconnect to the server."""

STOPPED_CODE = 130


def follow(address: str, job: str, stream: TextIO, *, verbose: bool) -> dict[str, Any]:
    """Stream the job's log to `stream`, and return the sweep's `--json` output when it ends.

    Raises JobFailed, with its exit code, if the job fails.
    """
    client = job_server.client(address)
    log = JobLog(stream, verbose=verbose)
    failures = 0
    while True:
        try:
            asyncio.run(_tail(client, job, log))
            details = client.get_job_info(job)
            if details.status.is_terminal():
                log.take(0, client.get_job_logs(job))  # the stream may have missed the last lines
                return _outcome(details, log)
            failures = 0
        except job_server.lost() as error:
            failures += 1
            if failures == ATTEMPTS:
                why = " ".join(str(error).split())
                raise JobFailed(
                    f"--address {address}: lost the job server ({why}); job {job} may continue: "
                    f"ray job logs --follow --address {shlex.quote(address)} {job}"
                ) from error
        time.sleep(PAUSE_S)


async def _tail(client: Any, job: str, log: JobLog) -> None:
    at = 0
    async for text in client.tail_job_logs(job):
        log.take(at, text)
        at += len(text)


def _outcome(details: Any, log: JobLog) -> dict[str, Any]:
    job, code = details.submission_id, details.driver_exit_code
    if details.status == "STOPPED":
        raise JobFailed(f"job {job} was stopped", STOPPED_CODE)
    if details.status != "SUCCEEDED" and code is None:
        lines = (details.message or "no reason given").strip().splitlines()
        raise JobFailed(f"job {job} did not run: {lines[-1]}")
    if code:
        # A command that was ended by a signal: the exit code that a shell gives.
        shown = code if code > 0 else 128 - code
        raise JobFailed(f"job {job} ended with exit code {shown}; its output is above", shown)
    if log.result is None:
        raise JobFailed(f"job {job} succeeded, but its log lacks the result")
    return log.result
