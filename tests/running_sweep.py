"""A sweep of another process: watched line by line, and ended by the signals that users send."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL

from family import Process, family, still_alive


@dataclass
class Sweep:
    """`run` on digits trials, under way in a process group of its own."""

    name: str
    storage: Path
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    seen: set[Process] = field(default_factory=set)

    def wait_for(self, words: str) -> str:
        """The next line of stderr that holds `words`; fails where none does."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if words in line:
                self.look()
                return line
        raise AssertionError(f"no {words!r} in: {self.lines}")

    def look(self) -> set[Process]:
        """Its own processes and Ray's, workers included; remembered for `leaves`."""
        now = family(self.process.pid)
        self.seen |= now
        return now

    def trials(self) -> list[Process]:
        """The processes that train: `TrialTrainable`, or while busy `ResourceTrainable.train`."""
        return sorted(
            (process for process in self.look() if "Trainable" in process.title),
            key=lambda process: process.pid,
        )

    def end(self, timeout_s: float = 120) -> int:
        """Read on to the end; the exit code."""
        _, rest = self.process.communicate(timeout=timeout_s)
        self.lines += rest.splitlines()
        return self.process.returncode

    def leaves(self) -> list[str]:
        """The titles of processes that are not gone when they should be."""
        return still_alive(self.seen)

    def clear_away(self) -> None:
        """Kill what is left of it, and nothing else."""
        self.look()
        with self.process:
            self.process.kill()
        for process in self.seen:
            if process.alive:
                os.kill(process.pid, SIGKILL)

    def epochs_told(self, trial: str) -> int:
        """How many finished epochs of `trial` its output has told so far."""
        running = [line.split() for line in self.lines if line.startswith(f"{trial}  running")]
        return max((int(words[3].partition("/")[0]) for words in running), default=0)
