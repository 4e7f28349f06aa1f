"""A small file written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from raysweep.tracking.write_behind import sync_folder


def write_atomically(path: Path, text: str) -> None:
    """Write a file atomically and durably: write a temporary file, fsync, rename. A reader sees the
    old or the new text, even after a power cut."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)  # of an earlier process with that pid, or a hostile link
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
            _sync(file)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)  # exists only if something above failed


def half_written(path: Path) -> Iterator[Path]:
    """Yield the temporary files of `path` that processes killed in `write_atomically` left."""
    return path.parent.glob(f".{path.name}.[0-9]*")


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())
