"""A job's log, as it comes: lines for people, and the one that is the result."""

from __future__ import annotations

import json
from typing import Any, TextIO

RESULT = "raysweep-result: "
"""What the line begins with that holds the `--json` of the job's `run`."""

STARTED = "raysweep-started"
"""The line that the job prints first: Ray writes lines of its own before it."""


class JobLog:
    """Writes the job's lines, without Ray's own before them, and keeps its result.

    A log that was cut off is read again from its start: what was seen is passed over.
    """

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self.result: dict[str, Any] | None = None
        self._stream = stream
        self._shows = verbose
        self._seen = 0
        self._rest = ""
        self._blank = 0

    def take(self, at: int, text: str) -> None:
        """The part of the log that begins with character `at`."""
        self._rest += text[max(0, self._seen - at) :]
        self._seen = max(self._seen, at + len(text))
        *lines, self._rest = self._rest.split("\n")
        for line in lines:
            self._take_line(line)
        self._stream.flush()

    def _take_line(self, line: str) -> None:
        if line == STARTED and self._shows:
            return
        if line.startswith(RESULT):
            self.result = json.loads(line.removeprefix(RESULT))
            self._blank = 0  # the one before it is there in case a line had no end
        elif not self._shows:
            self._shows = line == STARTED
        elif line:
            self._stream.write("\n" * self._blank + line + "\n")
            self._blank = 0
        else:
            self._blank += 1
