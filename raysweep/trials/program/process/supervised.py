"""A program's process: started under a supervisor, and ended with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from raysweep.trials.program.process import supervisor
from raysweep.trials.program.process.output import Relay

AFTER_SIGTERM_S = 5.0
"""Seconds from SIGTERM to SIGKILL."""

_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "busybox")
_LOOK_S = 0.05
_OUTPUT_S = 2.0
"""How long the last output of a program that has ended may take."""


class ProgramProcess:
    """One run of a program. Its stdin is closed; its output goes where the worker's goes."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.command = command
        self._group: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", supervisor.__file__, str(os.getpid()), *command],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._out = Relay(self._process.stdout, 1)
        self._err = Relay(self._process.stderr, 2)

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, minus its signal's number if it was killed; None: it runs."""
        if self._process.returncode is None:
            self._sees_group()
        return self._process.poll()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended, within `timeout_s` seconds."""
        self._sees_group()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def call_at_end(self, act: Callable[[], object]) -> None:
        """Call `act` as soon as it has ended, from another thread."""

        def wait() -> None:
            with suppress(ChildProcessError):  # somebody has asked for its exit code meanwhile
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            act()

        threading.Thread(target=wait, name="program-end", daemon=True).start()

    def stderr(self) -> str:
        """Return the end of what it wrote to stderr. It has ended."""
        self._err.finish(_OUTPUT_S)
        return self._err.tail()

    def interrupt(self) -> bool:
        """Send SIGINT to the whole group, as Ctrl-C in a terminal does. Return whether anybody who
        is no shell handles it: a shell starts what it runs in the background without."""
        group = self._find_group()
        handled = group is not None and any(map(_handles_sigint, _members(group)))
        self._signal(signal.SIGINT)
        return handled

    def terminate(self) -> None:
        """Send SIGTERM to the whole group; SIGKILL to what is left of it after AFTER_SIGTERM_S."""
        self._signal(signal.SIGTERM)
        if not self.wait(AFTER_SIGTERM_S):
            self.kill()

    def kill(self) -> None:
        """End it and all that it has started, at once."""
        if self.exit_code is None:
            self._find_group()
            self._process.terminate()  # the supervisor, which kills them
            if not self.wait(AFTER_SIGTERM_S):
                self._process.kill()
                self._process.wait()
        if self.exit_code == -signal.SIGKILL and self._group is not None:
            self._killpg(self._group, signal.SIGKILL)  # the supervisor itself was killed
        self._out.finish(_OUTPUT_S)
        self._err.finish(_OUTPUT_S)

    def _signal(self, number: signal.Signals) -> None:
        group = self._find_group()
        if group is not None and self.exit_code is None:
            self._killpg(group, number)

    def _killpg(self, group: int, number: signal.Signals) -> None:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return

    def _find_group(self) -> int | None:
        """Return the program's process group, which is there soon after the supervisor has begun;
        None where there is none any more."""
        until = time.monotonic() + 1.0
        while not self._sees_group() and time.monotonic() < until and self.exit_code is None:
            time.sleep(_LOOK_S)
        return self._group

    def _sees_group(self) -> bool:
        """Note the group: that of the inner supervisor's first child."""
        if self._group is None:
            try:
                inner = _first_child(self._process.pid)
                leader = inner and _first_child(inner)
                if leader and os.getpgid(leader) == leader:
                    self._group = leader
            except OSError:  # one of them has ended just now
                return False
        return self._group is not None


def _first_child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def _members(group: int) -> list[Path]:
    """Return the folders in /proc of a process group's members."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and os.getpgid(int(each.name)) == group:
                found.append(each)
        except ProcessLookupError:  # it has ended just now
            continue
    return found


def _handles_sigint(process: Path) -> bool:
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:  # it has ended just now
        return False
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    caught = int(status.get("SigCgt", "0"), 16) >> (signal.SIGINT - 1) & 1
    return bool(caught) and status.get("Name") not in _SHELLS
