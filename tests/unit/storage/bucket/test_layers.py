"""A file as a base and its changes: what is put together is the file, and a change is small."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from raysweep.storage.bucket import layers
from raysweep.storage.bucket.layers import BLOCK_BYTES, Known, Layers, fetch, send
from raysweep.storage.bucket.object_store import ObjectStore

NAME = "tracker/project.db"


@pytest.fixture
def store(uri: str) -> ObjectStore:
    return ObjectStore.open(uri)


def sizes(store: ObjectStore) -> int:
    return sum(store.list(".layers").values())


def fetched(store: ObjectStore, layers: Layers, folder: Path) -> tuple[bytes, Known]:
    known = fetch(store, Layers.from_json(layers.to_json()), folder / "fetched")
    return (folder / "fetched").read_bytes(), known


@pytest.mark.parametrize("again", [False, True])
def test_whatever_changes_the_file_is_the_same_there(
    store: ObjectStore, tmp_path: Path, again: bool
) -> None:
    """`again`: by one process, and by one that has only what it fetched."""
    random.seed(7)
    path, data = tmp_path / "file", bytearray(random.randbytes(50 * BLOCK_BYTES))
    known: Known | None = None
    most = 0
    for turn in range(120):
        if turn % 7 == 3:
            del data[random.randrange(len(data)) :]
        if turn % 5 == 2:
            data += random.randbytes(random.randrange(9 * BLOCK_BYTES))
        for _ in range(random.randrange(4)):
            place = random.randrange(len(data) + 1)
            data[place : place + 50] = random.randbytes(50)
        path.write_bytes(data)
        known = send(store, NAME, path, known)
        there, same = fetched(store, known.layers, tmp_path)
        assert there == data
        assert same == known
        most = max(most, len(known.layers.keys))
        known = same if again else known
    assert most <= layers.MOST_CHANGES + 1


def test_a_change_is_a_block_and_nothing_new_is_nothing(store: ObjectStore, tmp_path: Path) -> None:
    path, data = tmp_path / "file", bytearray(1000 * BLOCK_BYTES)
    path.write_bytes(data)
    known = send(store, NAME, path, None)
    before = sizes(store)
    assert send(store, NAME, path, known) is known
    assert sizes(store) == before
    data[123_456] = 1
    path.write_bytes(data)
    send(store, NAME, path, known)
    assert BLOCK_BYTES < sizes(store) - before < BLOCK_BYTES + 100


def test_many_changes_to_the_same_place_are_one(store: ObjectStore, tmp_path: Path) -> None:
    path, data = tmp_path / "file", bytearray(1000 * BLOCK_BYTES)
    path.write_bytes(data)
    known = first = send(store, NAME, path, None)
    for turn in range(3 * layers.MOST_CHANGES):
        data[turn] = 1
        path.write_bytes(data)
        known = send(store, NAME, path, known)
    assert known.layers.keys[0] == first.layers.keys[0], "not all of it anew"
    assert fetched(store, known.layers, tmp_path)[0] == data


def test_a_layer_that_is_gone_is_missed(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1" * BLOCK_BYTES * 9)
    known = send(store, NAME, path, None)
    path.write_bytes(b"1" * BLOCK_BYTES * 8 + b"2")
    known = send(store, NAME, path, known)
    for key in known.layers.keys:
        kept = store.read(key)
        store.delete(key)
        with pytest.raises(FileNotFoundError):
            fetch(store, known.layers, tmp_path / "fetched")
        assert kept is not None
        store.put_bytes(key, kept)
