"""A job's log: Ray's lines, the lines for people, the result; read again after a lost
connection."""

from __future__ import annotations

import io

import pytest

from raysweep.submission.job_log import RESULT, STARTED, JobLog

LOG = f"""\
INFO job_manager.py:587 -- Runtime env is setting up.
Running entrypoint for job one-3fa2: result=$(…); printf '{RESULT}'
{STARTED}
load        digits-raw:v0            made

best: trained-model:v0

{RESULT}{{"sweep": "one"}}
"""

SHOWN = "load        digits-raw:v0            made\n\nbest: trained-model:v0\n"


@pytest.mark.parametrize("size", [1, 7, len(LOG)])
def test_a_log_may_arrive_in_pieces_of_any_size(size: int) -> None:
    stream = io.StringIO()
    log = JobLog(stream, verbose=False)
    for at in range(0, len(LOG), size):
        log.take(at, LOG[at : at + size])
    assert stream.getvalue() == SHOWN
    assert log.result == {"sweep": "one"}


def test_rays_line_with_the_command_may_come_after_the_first_of_the_job() -> None:
    late = LOG.splitlines(keepends=True)
    late[1:3] = [late[2], f"Running entrypoint for job one: echo {STARTED}; printf '{RESULT}'\n"]
    stream = io.StringIO()
    log = JobLog(stream, verbose=False)
    log.take(0, "".join(late))
    assert stream.getvalue() == SHOWN
    assert log.result == {"sweep": "one"}


def test_a_log_that_is_read_again_is_not_printed_twice() -> None:
    stream = io.StringIO()
    log = JobLog(stream, verbose=False)
    log.take(0, LOG[:170])
    log.take(0, LOG[:90])
    log.take(90, LOG[90:])
    log.take(0, LOG)
    assert stream.getvalue() == SHOWN


def test_verbose_shows_rays_own_lines_too() -> None:
    stream = io.StringIO()
    log = JobLog(stream, verbose=True)
    log.take(0, LOG)
    assert stream.getvalue().startswith("INFO job_manager.py")
    assert "\n" + RESULT not in stream.getvalue() and "\n" + STARTED not in stream.getvalue()


def test_rays_lines_are_distinguished_from_the_jobs() -> None:
    stream = io.StringIO()
    log = JobLog(stream, verbose=False)
    log.take(0, LOG.replace("Running entrypoint for job", "Job begins:"))
    assert stream.getvalue() == SHOWN
