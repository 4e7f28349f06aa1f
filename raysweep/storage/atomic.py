"""A small file written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from raysweep.tracking.write_behind import sync_folder


def write_atomically(path: Path, text: str) -> None:
    """Write beside, flush to disk, rename: a reader sees all of it or none of it, also after a
    power cut. When this returns it is on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)  # of a process of that number, or a link that waits there
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
            _sync(file)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)  # there only if something above failed


def half_written(path: Path) -> Iterator[Path]:
    """What is left of `path` where a process was killed in `write_atomically`."""
    return path.parent.glob(f".{path.name}.[0-9]*")


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())
