"""Looking for what must not be seen: in the processes while they run, in the files afterwards."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from family import family


class _Watch(threading.Thread):
    """Collects the command lines of a process and all its descendants, until it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.seen: set[str] = set()

    def run(self) -> None:
        while self._process.poll() is None:
            self.seen |= {process.title for process in family(self._process.pid)}
            time.sleep(0.5)


def watch(process: subprocess.Popen[str]) -> set[str]:
    """The command lines of the process and its descendants, which fill up while it runs."""
    thread = _Watch(process)
    thread.start()
    return thread.seen


def files_with(text: str, folders: Iterable[Path]) -> list[Path]:
    """The files below the folders that hold the text."""
    needle = text.encode()
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if needle in path.read_bytes()]
