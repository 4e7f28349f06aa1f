"""A sweep of another process: watched line by line, and ended by the signals that users send."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from commands import processes

GONE_S = 15
"""After a sweep has ended, Ray's processes may take this long to go (seen: up to 4 s)."""


@dataclass
class Sweep:
    """`run` on two digits trials, under way in a process group of its own."""

    name: str
    storage: Path
    process: subprocess.Popen[str]
    marker: str
    lines: list[str] = field(default_factory=list)

    def wait_for(self, words: str) -> str:
        """The next line of stderr that holds `words`; fails where none does."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                return line
        raise AssertionError(f"no {words!r} in: {self.lines}")

    def end(self, timeout_s: float = 60) -> int:
        """Read on to the end; the exit code."""
        _, rest = self.process.communicate(timeout=timeout_s)
        self.lines += rest.splitlines()
        return self.process.returncode

    def processes(self) -> dict[int, str]:
        """Its own and Ray's, workers included: process id → title."""
        return processes(self.marker)

    def leaves_no_process(self) -> bool:
        """Whether all of them are gone within GONE_S."""
        deadline = time.monotonic() + GONE_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.2)
        return not self.processes()
