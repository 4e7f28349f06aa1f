"""The command's end follows the job's; tests/cluster/test_submit.py has the real server."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from raysweep.errors import JobFailed
from raysweep.submission import following, job_server
from raysweep.submission.job_log import RESULT, STARTED


class Status(str):
    def is_terminal(self) -> bool:
        return self in ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass
class Details:
    status: Status
    driver_exit_code: int | None = None
    message: str = ""
    submission_id: str = "one-3fa2"


class Server:
    """Ray's client, for a job with this `end`; the first `lost` calls do not reach the server."""

    def __init__(self, end: Details, log: str = "", lost: int = 0) -> None:
        self.end, self.log, self.lost = end, f"{STARTED}one-3fa2: …\n{log}", lost

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        if self.lost:
            self.lost -= 1
            raise RuntimeError("WebSocket connection closed unexpectedly")
        yield self.log

    def get_job_info(self, job: str) -> Details:
        return self.end

    def get_job_logs(self, job: str) -> str:
        return self.log


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Any:
    def followed(server: Server) -> dict[str, Any]:
        monkeypatch.setattr(following, "PAUSE_S", 0)
        monkeypatch.setattr(job_server, "client", lambda address: server)
        return following.follow("http://h:1", "one-3fa2", io.StringIO(), verbose=False)

    return followed


def test_a_job_that_succeeds_returns_the_result(follow: Any) -> None:
    log = f'{RESULT}{{"sweep": "one"}}\n'
    assert follow(Server(Details(Status("SUCCEEDED"), 0), log, lost=4)) == {"sweep": "one"}


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        (Details(Status("FAILED"), 1), 1, "ended with exit code 1; its output is above"),
        (Details(Status("FAILED"), 2), 2, "ended with exit code 2"),
        (Details(Status("FAILED"), -9), 137, "ended with exit code 137"),
        (Details(Status("FAILED"), None, "no room\nfor it"), 1, "did not run: for it"),
        (Details(Status("STOPPED"), 0), 130, "was stopped"),
        (Details(Status("SUCCEEDED"), 0), 1, "lacks the result"),
    ],
)
def test_a_job_that_fails_has_its_exit_code(
    follow: Any, end: Details, code: int, words: str
) -> None:
    with pytest.raises(JobFailed, match=words) as caught:
        follow(Server(end))
    assert caught.value.exit_code == code


def test_a_lost_server_is_an_error_that_says_how_to_follow_the_job(follow: Any) -> None:
    with pytest.raises(JobFailed, match=r"ray job logs --follow --address http://h:1 one-3fa2$"):
        follow(Server(Details(Status("SUCCEEDED"), 0), lost=5))
