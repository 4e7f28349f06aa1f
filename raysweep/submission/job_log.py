"""Split a job's log stream into lines for people and the line with the result."""

from __future__ import annotations

import json
from typing import Any, TextIO

RESULT = "raysweep-result: "
"""Prefix of the line that holds the `--json` output of the job's `run`."""

STARTED = "raysweep-started"
"""The line that the job prints first: Ray writes lines of its own before it."""


class JobLog:
    """Writes the job's lines, without Ray's own before them, and stores its result.

    After a lost connection the log is read again from the start: known parts are skipped.
    """

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self.result: dict[str, Any] | None = None
        self._stream = stream
        self._shows = self._verbose = verbose
        self._seen = 0
        self._rest = ""
        self._blank = 0

    def take(self, at: int, text: str) -> None:
        """Take a part of the log that begins at character `at`."""
        self._rest += text[max(0, self._seen - at) :]
        self._seen = max(self._seen, at + len(text))
        *lines, self._rest = self._rest.split("\n")
        for line in lines:
            self._take_line(line)
        self._stream.flush()

    def _take_line(self, line: str) -> None:
        if line == STARTED:
            self._shows = True
        elif STARTED in line and not self._verbose:
            return  # Ray's own line with the job's command, which may also come after the first one
        elif line.startswith(RESULT):
            self.result = json.loads(line.removeprefix(RESULT))
            self._blank = 0  # drop the blank line before it, which ends an unterminated line
        elif not self._shows:
            return
        elif line:
            self._stream.write("\n" * self._blank + line + "\n")
            self._blank = 0
        else:
            self._blank += 1
