"""Let the driver print what the store's writer waits for: an actor's own output is not shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raysweep.stderr import to_stderr

LOOK_EVERY_S = 1


@contextmanager
def waits_reported(note: Path, report: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Pass each line that the writer adds to the file `note` to `report`, until the block ends."""
    note.unlink(missing_ok=True)
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(note, report, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(OSError):
            note.unlink(missing_ok=True)


class Note:
    """Appends lines to the file; ignores a disk error, which other writes will report."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, line: str) -> None:
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _follow(note: Path, report: Callable[[str], None], ended: threading.Event) -> None:
    seen = 0
    while not ended.wait(LOOK_EVERY_S):
        with suppress(OSError):
            lines = note.read_text(encoding="utf-8").split("\n")[:-1]
            for line in lines[seen:]:
                report(line)
            seen = max(seen, len(lines))
