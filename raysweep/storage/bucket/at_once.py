"""Several transfers at once, which the end of the process does not wait for.

A ThreadPoolExecutor's threads are joined when Python ends, and one that hangs in a request held up
an interrupted command for as long as that took to give up.
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
    """Call `work` with each item, AT_ONCE at a time. Raises the first error when all have ended;
    after one no other is begun."""
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
