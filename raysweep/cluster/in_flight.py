"""Move large files to and from the writer in chunks, a few of them in flight at a time.

Chunks are in no turn with a process's other calls, whose batches they do not hold up. The writer
takes chunks in a thread of their own, one after the other in the order in which they were sent, and
reads what is asked of it in another: rows do not wait for a disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from raysweep.cluster.remote import get
from raysweep.tracking.blobs import CHUNK_BYTES

IN_FLIGHT = 3
"""Chunks: one that is made or hashed, one on its way, and one that is written."""

RECEIVING, READING = "receiving", "reading"
GROUPS = {RECEIVING: 1, READING: 1}
"""The writer's threads besides that of its batches: Ray's concurrency groups."""


class InFlight:
    """The chunks of one file that are on their way to the writer, `actor`: IN_FLIGHT at most.

    If the writer dies, Ray sends to the next one those that were not answered.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._refs: deque[Any] = deque()

    def send(self, method: str, *arguments: Any) -> None:
        """Send a call that has a chunk. Raises what went wrong with an earlier one."""
        while len(self._refs) >= IN_FLIGHT:
            get(self._refs.popleft())
        self._refs.append(getattr(self._actor, method).remote(*arguments))

    def wait(self) -> None:
        """Wait until the writer has written all. Raises what went wrong."""
        while self._refs:
            get(self._refs.popleft())


def read_ahead(actor: Any, method: str, name: str) -> Iterator[bytes]:
    """Yield a file's bytes, which `method` reads at an offset, with some chunks read ahead; of a
    file of one chunk nothing is."""
    refs: deque[Any] = deque()
    asked, ahead = 0, 1
    while True:
        while len(refs) < ahead:
            refs.append(getattr(actor, method).remote(name, asked, CHUNK_BYTES))
            asked += CHUNK_BYTES
        chunk: bytes = get(refs.popleft())
        if chunk:
            yield chunk
        if len(chunk) < CHUNK_BYTES:
            return
        ahead = IN_FLIGHT
