"""`--local-mode` is for a debugger: `breakpoint()` stops with pdb in a terminal, `q` ends it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

from commands import environment

TRAINER = """
from raysweep.ml.training import Trainer

class Stopping(Trainer):
    def epoch(self):
        answer = 6 * 7
        print("printed before the breakpoint")
        breakpoint()
        yield from super().epoch()
"""

CONFIG = """
data: {dataset: digits, train_size: 500}
train: {target: "stopping:Stopping", epochs: 1}
sweep:
  method: grid
  metric: {name: validation/accuracy, goal: maximize}
  parameters: {learning_rate: {values: [0.01, 0.02]}}
"""

PATIENCE_S = 120


class Terminal:
    """A process with a pseudo-terminal as its stdin, stdout and stderr."""

    def __init__(self, *command: str, cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        env = environment(TERM="xterm", COLUMNS="100")
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, start_new_session=True, **streams
        )
        os.close(theirs)
        self.seen = ""

    def until(self, pattern: str) -> str:
        """What is written until `pattern` appears in it."""
        end, before = time.monotonic() + PATIENCE_S, len(self.seen)
        while not re.search(pattern, self.seen[before:]):
            assert time.monotonic() < end, f"no {pattern} in:\n{self.seen}"
            if select.select([self._ours], [], [], 1)[0]:
                self._read()
        return self.seen[before:]

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode() + b"\n")

    def end(self) -> int:
        """Read the rest; return the exit code."""
        while True:
            try:
                self._read()
            except OSError:  # its end of the terminal is closed
                return self.process.wait(PATIENCE_S)

    def _read(self) -> None:
        data = os.read(self._ours, 1 << 16)
        if not data:
            raise OSError
        self.seen += data.decode("utf-8", "replace")


def test_pdb_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "stopping.py").write_text(TRAINER)
    (tmp_path / "mine.yaml").write_text(CONFIG)
    options = ("--local-mode", "--storage", "runs", "--name", "debugged")
    command = (sys.executable, "-m", "raysweep", "run", "mine.yaml", *options)
    terminal = Terminal(*command, cwd=tmp_path)

    shown = terminal.until(r"\(Pdb\) ")
    assert "printed before the breakpoint" in shown, "at once, and not under a live table"
    assert "yield from super().epoch()" in shown, "pdb is at the user's line"
    terminal.type("p answer")
    assert "42" in terminal.until(r"42[\s\S]*\(Pdb\) ")
    terminal.type("c")
    terminal.until(r"trial-0000 +completed[\s\S]*\(Pdb\) ")  # the next trial stops, too
    terminal.type("q")
    code = terminal.end()

    assert code == 130, terminal.seen
    assert "interrupted: debugged has no best yet; progress is saved" in terminal.seen
    assert "Traceback" not in terminal.seen
    log = (tmp_path / "runs" / "debugged" / "logs" / "trial-0000.log").read_text()
    assert "printed before the breakpoint" in log
