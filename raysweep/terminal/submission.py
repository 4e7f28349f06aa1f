"""Print a submitted sweep: where it was sent, and how to follow, stop and fetch it."""

from __future__ import annotations

import shlex
from typing import TextIO

from raysweep.invocation import program
from raysweep.submission.submission import Submission


def show_submitted(stream: TextIO, submission: Submission) -> None:
    """Print where the sweep was sent, its names, and its notices."""
    for notice in submission.notices:
        print(f"WARNING: {notice}", file=stream)
    print(
        f"sweep {submission.sweep}: sent to {submission.address} as job {submission.job}; "
        f"it will be kept in {_where(submission)}",
        file=stream,
        flush=True,
    )


def show_detached(stream: TextIO, submission: Submission) -> None:
    """Print how to follow, stop and fetch a job that continues after this command."""
    at = f"--address {shlex.quote(submission.address)}"
    print(
        f"follow it: ray job logs --follow {at} {submission.job}\n"
        f"stop it: ray job stop {at} {submission.job}\n"
        f"its result, when it is done: {_fetch(submission, at)}",
        file=stream,
        flush=True,
    )


def show_kept(stream: TextIO, submission: Submission) -> None:
    """Print where the results of an ended sweep are."""
    print(f"kept in {_where(submission)}", file=stream, flush=True)


def _is_uri(submission: Submission) -> bool:
    return "://" in submission.storage


def _folder(submission: Submission) -> str:
    return f"{submission.storage.rstrip('/')}/{submission.sweep}"


def _where(submission: Submission) -> str:
    whose = "" if _is_uri(submission) else " on the cluster's head machine"
    return f"{_folder(submission)}{whose}"


def _fetch(submission: Submission, at: str) -> str:
    """Build the command that fetches the result; a folder of another machine needs a job."""
    if _is_uri(submission):
        storage = shlex.quote(submission.storage)
        return f"{program()} best {submission.sweep} --storage {storage}"
    # Quoted twice: for the local shell, and for the remote one, which must expand ~.
    home = "~/" if submission.storage.startswith("~/") else ""
    file = home + shlex.quote(f"{_folder(submission).removeprefix(home)}/result.json")
    return f"ray job submit {at} -- sh -c {shlex.quote(f'cat {file}')}"
