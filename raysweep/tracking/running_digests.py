"""Hash files that arrive in chunks, each chunk as it comes."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

_MOST = 1024
"""Files that are followed at once. Of the others the digest is unknown: they have to be read."""


@dataclass
class _Hashed:
    """The digest of a file's first `size` bytes."""

    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0


class RunningDigests:
    """The SHA-256 of files that arrive in chunks. A file's chunks come one after the other, those
    of several files in any turn and from any thread.

    A file that does not arrive in order, or whose beginning went to another process, is not
    followed any further.
    """

    def __init__(self) -> None:
        self._files: OrderedDict[str, _Hashed] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, name: str, size: int) -> bool:
        """Whether the file's first `size` bytes were hashed. Never true of an empty file."""
        with self._lock:
            found = self._files.get(name)
        return found is not None and 0 < size <= found.size

    def add(self, name: str, offset: int, chunk: bytes) -> None:
        """Hash the chunk at `offset`."""
        with self._lock:
            found = self._files.get(name)
            if found is None and not offset:
                found = self._files[name] = _Hashed()
                if len(self._files) > _MOST:  # of senders that were killed
                    self._files.popitem(last=False)
            if found is not None and offset != found.size:
                del self._files[name]
                found = None
        if found is not None:
            found.digest.update(chunk)  # outside of the lock: it takes milliseconds
            found.size += len(chunk)

    def take(self, name: str) -> tuple[str, int] | None:
        """Return the digest in hex and the size, and follow the file no longer; None if it was not
        followed."""
        with self._lock:
            found = self._files.pop(name, None)
        return None if found is None else (found.digest.hexdigest(), found.size)
