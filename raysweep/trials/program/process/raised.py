"""The exception that ended a program, from the traceback at the end of its stderr."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_BEGINS = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_PLACE = re.compile(r"\((?P<file>[^()\s]+):(?P<line>\d+)\)$")
_MOST_TEXT = 8_000
"""Characters of a traceback that are kept outside of the log."""

_MOST_LINE = 200
"""Characters of a line that are kept outside of the log."""

_RANK = re.compile(r"^\[rank\d+\]:\s?")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: |:?$)")
"""An exception's line: `ValueError: no`, `KeyboardInterrupt`, `torch.cuda.OutOfMemoryError: …`."""


def exception_in(stderr: str, folders: Sequence[Path]) -> str | None:
    """Return `ValueError: no (train.py:12)`; None where no traceback is there.

    Of several tracebacks (torchrun adds its own) the last that passes through a file below one of
    `folders`, the user's, counts, and its innermost such line; without one, the last of all.
    """
    lines = [_RANK.sub("", line) for line in stderr.splitlines()]
    last = None
    for start in (at for at, line in enumerate(lines) if line.strip() == _BEGINS):
        frames, text = _read(lines[start + 1 :])
        if text is None:
            continue
        own = [frame for frame in frames if _is_own(frame[0], folders)]
        shown = _shown(text, (own or frames)[-1:], folders)
        if own or last is None or not last[0]:
            last = (bool(own), shown)
    return last[1] if last else None


def last_line(stderr: str) -> str | None:
    """Return the last line that is not W&B's client's: argparse and shells say there what is wrong.
    None where there is none."""
    lines = (line.strip() for line in reversed(stderr.splitlines()))
    said = next((line for line in lines if line and not line.startswith("wandb: ")), None)
    return None if said is None else said[:_MOST_LINE].rstrip(".")


def place_in(shown: str, folder: Path) -> str | None:
    """Return the place at the end of what `exception_in` gave, as `/home/me/train.py:12`."""
    match = _PLACE.search(shown)
    return None if match is None else f"{folder / match['file']}:{match['line']}"


def last_traceback(stderr: str, folders: Sequence[Path], users: Path) -> str | None:
    """Return the text from the last traceback on; None where there is none. A file below one of
    `folders` that is a copy of one of the user's is named as that one: the copy may be gone."""
    start = stderr.rfind(_BEGINS)
    if start < 0:
        return None

    def named(match: re.Match[str]) -> str:
        file = _original(Path(match["file"]), folders, users)
        return match[0].replace(match["file"], str(file))

    return _FRAME.sub(named, stderr[start:].rstrip()[:_MOST_TEXT])


def _original(file: Path, folders: Sequence[Path], users: Path) -> Path:
    for folder in (each for each in folders if file.is_relative_to(each)):
        name = file.relative_to(folder)
        others = (each for each in (users, *folders) if each != folder)
        if any((other / name).is_file() for other in others):
            return users / name
    return file


def _read(lines: Sequence[str]) -> tuple[list[tuple[Path, int]], str | None]:
    """Return the frames of a traceback, and the line of its exception."""
    frames = []
    for line in lines:
        if match := _FRAME.match(line):
            frames.append((Path(match["file"]), int(match["line"])))
        elif line.strip() and not line[0].isspace():
            return frames, line.strip() if _EXCEPTION.match(line) else None
    return frames, None


def _is_own(file: Path, folders: Sequence[Path]) -> bool:
    inside = not file.is_absolute() or any(file.is_relative_to(folder) for folder in folders)
    return inside and {"site-packages", "dist-packages"}.isdisjoint(file.parts)


def _shown(text: str, frames: Sequence[tuple[Path, int]], folders: Sequence[Path]) -> str:
    for file, line in frames:
        below = [file.relative_to(each) for each in folders if file.is_relative_to(each)]
        return f"{text} ({below[0] if below else file}:{line})"
    return text
