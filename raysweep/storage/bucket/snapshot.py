"""The snapshot of a push, one object at a URI: the layers of each database and each journal.

It also holds each sweep's record, so that finding a sweep takes one request. Immutable files are at
the URI under their own names and are not listed in it.
"""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.bucket.layers import FOLDER, Layers
from raysweep.storage.bucket.object_store import ObjectStore

FORMAT = 2
"""Version of the layout at a URI. Format 1 had each database and journal as one file."""


@dataclass(frozen=True)
class Snapshot:
    """`files`: path relative to the storage → its layers. `sweeps`: name → `sweep.json`'s text."""

    files: Mapping[str, Layers] = field(default_factory=dict)
    sweeps: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def read(store: ObjectStore, key: str | None) -> Snapshot:
        """Read a snapshot. Raises FileNotFoundError if a later push has replaced it; UserError if
        a newer raysweep has written it."""
        if key is None:
            return Snapshot()
        data = store.read(key)
        if data is None:
            raise FileNotFoundError(key)
        found = json.loads(gzip.decompress(data))
        if found["format"] > FORMAT:
            raise UserError(
                f"--storage {store.uri}: was written by a newer raysweep; install that version"
            )
        files = {name: Layers.from_json(entry) for name, entry in found["files"].items()}
        return Snapshot(files, dict(found["sweeps"]))

    def write(self, store: ObjectStore) -> str:
        """Upload the snapshot and return its key."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "files": {name: layers.to_json() for name, layers in self.files.items()},
            "sweeps": dict(self.sweeps),
        }
        key = f"{FOLDER}/{secrets.token_hex(8)}.snapshot"
        store.put_bytes(key, gzip.compress(json.dumps(document).encode(), mtime=0))
        return key

    def keys(self) -> set[str]:
        """Return the keys of all layers that it names."""
        return {key for layers in self.files.values() for key in layers.keys}
