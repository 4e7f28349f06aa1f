"""Completion in a real shell, with the script that `completion` prints."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from commands import call, installed_command

# Completes the words as TAB does: bash has put them there, and calls the function.
COMPLETE = """
eval "$(raysweep completion bash)"
COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
read -ra COMP_WORDS <<< "$COMP_LINE"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p raysweep >&2
_python_argcomplete raysweep "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with two sweeps, and one elsewhere."""
    for place in ("runs/mine-first", "runs/mine-second", "else/other"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "sweep.json").touch()
    return tmp_path


def with_command(folder: Path) -> dict[str, str]:
    """The environment of a shell that has the command `raysweep`."""
    bin = installed_command(folder / "bin").parent
    return {**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}


def completed(line: str, folder: Path) -> set[str]:
    """What bash would offer for the line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", line],
        cwd=folder,
        env=with_command(folder),
        capture_output=True,
        text=True,
    )
    assert "-F _python_argcomplete raysweep" in done.stderr, done.stderr
    return set(done.stdout.split())


CASES = [
    ("raysweep re", {"resume"}),
    ("raysweep run --promote i", {"if_better"}),
    ("raysweep plan --space-o", {"--space-only"}),
    ("raysweep best mine-", {"mine-first", "mine-second"}),
    ("raysweep show mine-f", {"mine-first"}),
    ("raysweep report mine-first mine-s", {"mine-second"}),
    ("raysweep best --storage else o", {"other"}),
]
"""A line, and what a shell offers at its end."""


@pytest.mark.parametrize(("line", "expected"), CASES)
def test_what_is_offered(folder: Path, line: str, expected: set[str]) -> None:
    assert expected <= completed(line, folder)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_in_fish(folder: Path) -> None:
    asked = "".join(f"; echo; complete -C {shlex.quote(line)}" for line, _ in CASES)
    command = ["fish", "--no-config", "-c", f"raysweep completion fish | source{asked}"]
    done = subprocess.run(
        command, cwd=folder, env=with_command(folder), capture_output=True, text=True
    )
    offered = done.stdout.split("\n\n")
    for (line, expected), lines in zip(CASES, offered, strict=True):
        assert expected <= {each.partition("\t")[0] for each in lines.split()}, (line, done)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_in_zsh(folder: Path) -> None:
    """Its completion needs a terminal: the lines are typed, and TAB."""
    env = {**with_command(folder), "TERM": "xterm", "COLUMNS": "200", "HOME": str(folder)}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-f", "-i"], env)
    try:
        start = 'autoload -U compinit; compinit -D -u; eval "$(raysweep completion zsh)"'
        typed(terminal, f'{start}; echo rea""dy\n', {"ready"})
        for line, expected in CASES:
            typed(terminal, f"{line}\t", expected)
            typed(terminal, '\x15echo rea""dy\n', {"ready\r"})  # Ctrl-U: the line goes
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def typed(terminal: int, keys: str, expected: set[str]) -> None:
    """Type the keys, and wait until the terminal shows all of the words."""
    os.write(terminal, keys.encode())
    shown, deadline = "", time.monotonic() + 30
    while not all(word in shown for word in expected):
        assert time.monotonic() < deadline, (keys, shown)
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = call("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "raysweep" in done.stdout
    assert "_ARGCOMPLETE" in done.stdout
