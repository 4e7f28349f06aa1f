"""A sweep on a terminal: what Ctrl-C leaves there, and what a terminal without a cursor gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import yaml

from commands import environment
from sweeps import HAS_LOCAL_MODE, digits, grid

WIDTH = 60


def on_a_terminal(
    folder: Path, term: str, epochs: int, *options: str, interrupt_at: str | None = None
) -> str:
    """All that `run` writes to a terminal of WIDTH columns; Ctrl-C once it shows `interrupt_at`."""
    config = digits(grid(learning_rate=[0.01]), train={"epochs": epochs}, data={"train_size": 100})
    (folder / "sweep.yaml").write_text(yaml.safe_dump(config))
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    command = [sys.executable, "-m", "raysweep", "run", "sweep.yaml", *options]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={k: v for k, v in environment(TERM=term).items() if k not in ("COLUMNS", "LINES")},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    ) as process:
        os.close(its)
        shown = ""
        while True:
            try:
                shown += os.read(mine, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
            if interrupt_at is not None and interrupt_at in shown:
                interrupt_at = None
                process.send_signal(signal.SIGINT)
    os.close(mine)
    return shown


def test_ctrl_c_takes_the_table_away_before_it_says_so(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "xterm", 2000, interrupt_at="trial-0000")
    before, said, after = shown.partition("raysweep: stopping; once more ends it at once")
    assert said, shown[-2000:]
    assert before.rstrip("\r\n").endswith("\x1b[2K"), "the last of it was erased"
    assert "trial-0000" not in after.partition("raysweep: interrupted: ")[0]
    assert not re.search(r"\x1b\[\d*A", after), "nothing is drawn over what was said"
    command = after[after.index("python -m raysweep resume ") :].splitlines()[0]
    assert re.fullmatch(r"python -m raysweep resume sweep-\S+", command)


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path, "dumb", 2, "--local-mode")
    assert "\x1b" not in shown.rstrip().removesuffix("\x1b[0m"), "colorama's, which Ray loads"
    assert "trial-0000  running   epoch 1/2  validation/accuracy" in shown
    lines = [line.rstrip() for line in shown.splitlines()]
    wide = [line for line in lines if len(line) > WIDTH]
    assert all(line.startswith(("model: ", "see it: ")) for line in wide), wide
