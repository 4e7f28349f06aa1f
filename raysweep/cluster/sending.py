"""Send bytes from the driver to any node, through Ray's object store.

A node fetches an object once for all of its processes, also one that joins later. The objects
belong to the driver, so they are gone with it; where memory is short, Ray keeps them on the
driver's disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, BinaryIO

import ray

from raysweep.cluster.remote import get

PIECE_BYTES = 16 * 2**20
"""A node has one piece in memory at a time: its object store may be smaller than the whole."""


@dataclass(frozen=True)
class Sent:
    """Bytes that any process of the cluster can fetch. `digest`: of the whole, SHA-256 in hex."""

    pieces: tuple[Any, ...]
    digest: str

    def write_to(self, file: BinaryIO) -> None:
        """Fetch the bytes and write them to `file`."""
        for piece in self.pieces:
            file.write(get(piece))


class Sender:
    """A file to write to, whose content is sent."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._pieces: list[Any] = []
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Append `data`; put each whole piece into the object store."""
        self._digest.update(data)
        self._rest += data
        while len(self._rest) >= PIECE_BYTES:
            self._pieces.append(ray.put(bytes(self._rest[:PIECE_BYTES])))
            del self._rest[:PIECE_BYTES]
        return len(data)

    def sent(self) -> Sent:
        """Return what was written. Called once, at the end."""
        self._pieces.append(ray.put(bytes(self._rest)))
        return Sent(tuple(self._pieces), self._digest.hexdigest())
