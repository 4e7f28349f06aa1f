"""Run several transfers concurrently, in threads that do not block the exit of the process.

Python joins a ThreadPoolExecutor's threads at exit, so a hung request would delay an interrupted
command until the request times out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from raysweep.storage.bucket.object_store import AT_ONCE

T = TypeVar("T")


def at_once(work: Callable[[T], None], items: Iterable[T]) -> None:
    """Call `work` with each item, AT_ONCE at a time. After an error no further call starts, and the
    first error is raised when all have ended."""
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        todo.put(item)
    errors: list[BaseException] = []

    def run() -> None:
        with suppress(queue.Empty):
            while not errors:
                item = todo.get_nowait()
                try:
                    work(item)
                except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
                    errors.append(error)

    threads = [
        threading.Thread(target=run, name="raysweep-files", daemon=True)
        for _ in range(min(AT_ONCE, todo.qsize()))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
