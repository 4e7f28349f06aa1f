"""Completion in a real shell, with the script that `completion` prints."""

from __future__ import annotations

import os
import subprocess
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


def completed(line: str, folder: Path) -> set[str]:
    """What bash would offer for the line."""
    bin = installed_command(folder / "bin").parent
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", line],
        cwd=folder,
        env={**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert "-F _python_argcomplete raysweep" in done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("raysweep re", {"resume"}),
        ("raysweep run --promote i", {"if_better"}),
        ("raysweep plan --space-o", {"--space-only"}),
        ("raysweep best mine-", {"mine-first", "mine-second"}),
        ("raysweep best --storage else o", {"other"}),
    ],
)
def test_what_is_offered(folder: Path, line: str, expected: set[str]) -> None:
    assert expected <= completed(line, folder)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = call("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "raysweep" in done.stdout
    assert "_ARGCOMPLETE" in done.stdout
