"""Store a changing file at a URI as layers: a base and the changes since.

A push of one new row in a database of 100 MB uploads only the row's pages. No object is ever
overwritten: a snapshot names the layers of a file, so a reader sees the file of one complete push,
even while a later push is under way.

A change is one object: a line of JSON (the file's size, the numbers of the changed blocks), then
those blocks.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysweep.storage.bucket.object_store import ObjectStore

FOLDER = ".layers"
BLOCK_BYTES = 4096
"""SQLite's page."""

MOST_CHANGES = 32
"""From this number on, the changes are merged into one: each costs a reader one request."""


@dataclass(frozen=True)
class Layers:
    """The layers of a file: keys of objects, the base first, and the file's size in bytes."""

    size: int
    keys: tuple[str, ...]

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> Layers:
        return Layers(int(entry["size"]), tuple(map(str, entry["layers"])))

    def to_json(self) -> dict[str, Any]:
        return {"size": self.size, "layers": list(self.keys)}


@dataclass(frozen=True)
class Known:
    """The state of a file at the URI: its layers, each block's digest, the blocks that differ from
    the base, and the bytes of all changes."""

    layers: Layers
    digests: Sequence[bytes]
    changed: frozenset[int] = field(default_factory=frozenset)
    changed_bytes: int = 0


def fetch(store: ObjectStore, layers: Layers, target: Path) -> Known:
    """Assemble the file in `target`. Raises FileNotFoundError if a layer is missing because a later
    push has replaced it."""
    store.get(layers.keys[0], target)
    changed, sent = set[int](), 0
    with target.open("r+b") as file:
        for key in layers.keys[1:]:
            change = store.read(key)
            if change is None:
                raise FileNotFoundError(key)
            head, _, blocks = change.partition(b"\n")
            numbers = json.loads(head)["blocks"]
            for place, number in enumerate(numbers):
                file.seek(number * BLOCK_BYTES)
                file.write(blocks[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES])
            changed.update(numbers)
            sent += len(change)
        file.truncate(layers.size)
    digests = _digests(target)
    return Known(layers, digests, frozenset(n for n in changed if n < len(digests)), sent)


def send(store: ObjectStore, name: str, path: Path, known: Known | None) -> Known:
    """Upload the file's changes as new objects below `.layers/<name>/`.

    If the file is new there, or has mostly changed, upload all of it. `path` must not change
    meanwhile.
    """
    digests, size = _digests(path), path.stat().st_size
    if known is None:
        return _send_base(store, name, path, digests)
    before = known.digests
    new = {n for n, digest in enumerate(digests) if n >= len(before) or digest != before[n]}
    if not new and size == known.layers.size:
        return known
    changed = {n for n in known.changed | new if n < len(digests)}
    keys, sent = known.layers.keys, known.changed_bytes
    if len(keys) > MOST_CHANGES:
        keys, sent, new = keys[:1], 0, changed
    if len(new) * BLOCK_BYTES > size // 2 or sent > size:  # the changes would outweigh the file
        return _send_base(store, name, path, digests)
    change = _change(path, sorted(new), size)
    key = _key(name)
    store.put_bytes(key, change)
    layers = Layers(size, (*keys, key))
    return Known(layers, digests, frozenset(changed), sent + len(change))


def _send_base(store: ObjectStore, name: str, path: Path, digests: Sequence[bytes]) -> Known:
    key = _key(name)
    store.put(key, path)
    return Known(Layers(path.stat().st_size, (key,)), digests)


def _change(path: Path, blocks: Sequence[int], size: int) -> bytes:
    parts = [json.dumps({"size": size, "blocks": list(blocks)}).encode(), b"\n"]
    with path.open("rb") as file:
        for number in blocks:
            file.seek(number * BLOCK_BYTES)
            parts.append(file.read(BLOCK_BYTES))
    return b"".join(parts)


def _digests(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [
            hashlib.blake2b(block, digest_size=16).digest()
            for block in iter(lambda: file.read(BLOCK_BYTES), b"")
        ]


def _key(name: str) -> str:
    return f"{FOLDER}/{name}/{secrets.token_hex(8)}"
