"""A sweep that was handed to a cluster: what was sent where, and what can be done about it."""

from __future__ import annotations

import shlex
from typing import TextIO

from raysweep.submission.submission import Submission


def show_submitted(stream: TextIO, submission: Submission) -> None:
    """That it was taken, under which names, and what to know of it."""
    for notice in submission.notices:
        print(f"WARNING: {notice}", file=stream)
    print(
        f"sweep {submission.sweep}: sent to {submission.address} as job {submission.job}; "
        f"it will be kept in {_where(submission)}",
        file=stream,
        flush=True,
    )


def show_detached(stream: TextIO, submission: Submission) -> None:
    """How to follow, stop and fetch a job that goes on without us."""
    at = f"--address {shlex.quote(submission.address)}"
    print(
        f"follow it: ray job logs --follow {at} {submission.job}\n"
        f"stop it: ray job stop {at} {submission.job}\n"
        f"its result, when it is done: {_fetch(submission, at)}",
        file=stream,
        flush=True,
    )


def show_kept(stream: TextIO, submission: Submission) -> None:
    """Where the results of a sweep that ended are."""
    print(f"kept in {_where(submission)}", file=stream, flush=True)


def _is_uri(submission: Submission) -> bool:
    return "://" in submission.storage


def _folder(submission: Submission) -> str:
    return f"{submission.storage.rstrip('/')}/{submission.sweep}"


def _where(submission: Submission) -> str:
    whose = "" if _is_uri(submission) else " on the cluster's head machine"
    return f"{_folder(submission)}{whose}"


def _fetch(submission: Submission, at: str) -> str:
    """The storage is a folder of another machine: only a job reaches it."""
    if _is_uri(submission):
        storage = shlex.quote(submission.storage)
        return f"python -m raysweep best {submission.sweep} --storage {storage}"
    # Quoted twice: for the shell here, and for the one there, which alone knows what ~ is.
    home = "~/" if submission.storage.startswith("~/") else ""
    file = home + shlex.quote(f"{_folder(submission).removeprefix(home)}/result.json")
    return f"ray job submit {at} -- sh -c {shlex.quote(f'cat {file}')}"
