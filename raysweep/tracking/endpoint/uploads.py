"""Bytes on their way: secret URLs to PUT to and to GET from, as an object store behind W&B has."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from raysweep.tracking.blobs import CHUNK_BYTES, read_chunks
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.store import Store
from raysweep.tracking.upload import upload


def base64_md5(digest: bytes) -> str:
    """Write an MD5 as the client does."""
    return base64.b64encode(digest).decode()


def hex_md5(text: str) -> str:
    """Convert the client's MD5 to hex, as its URLs have it."""
    return base64.b64decode(text).hex()


@dataclass(frozen=True)
class Received:
    """Bytes that have come: `digest` is their SHA-256 in hex, by which the store has them."""

    digest: str
    size_bytes: int
    md5: str

    def at(self, path: str) -> ArtifactFile:
        """Return the bytes as a file of a run or a version."""
        return ArtifactFile(path, self.digest, self.size_bytes)


Accept = Callable[[Received], None]

KEPT = 256
"""Uploads that have come, and texts, of which the URLs are still good."""


class Uploads:
    """URLs that were handed out. Bytes go into the store of the project that they belong to.

    A run for days may ask for any number of them. A URL to GET a file from is signed, so that
    nothing is kept for it. Of uploads that have come, and of texts, the last KEPT are: a client
    whose answer was lost asks again at once.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self._secret = secrets.token_bytes(32)
        self._stores: list[Store] = []
        self._tickets: dict[str, tuple[Store, Accept]] = {}
        self._used: dict[str, None] = {}
        self._texts: dict[str, bytes] = {}

    def put_url(self, store: Store, name: str, accept: Accept) -> str:
        """Return a URL to PUT to; `accept` is called with what has come. It may come twice."""
        key = f"{secrets.token_hex(12)}/{quote(name)}"
        self._tickets[key] = (store, accept)
        return f"{self.base_url}/storage/{key}"

    def get_url(self, store: Store, file: ArtifactFile) -> str:
        """Return a URL to GET the file's bytes from."""
        known = next((at for at, each in enumerate(self._stores) if each is store), None)
        if known is None:
            known = len(self._stores)
            self._stores.append(store)
        what = f"{known}-{file.digest}"
        key = f"{what}-{self._signature(what)}/{quote(file.path)}"
        return f"{self.base_url}/storage/{key}"

    def get_url_of_text(self, name: str, data: bytes) -> str:
        """Return a URL to GET these bytes from."""
        key = f"{secrets.token_hex(12)}/{quote(name)}"
        self._texts[key] = data
        _forget_first(self._texts)
        return f"{self.base_url}/storage/{key}"

    def put(self, key: str, body: BinaryIO, size: int, folder: Path) -> None:
        """Take an upload of `size` bytes; `folder` takes it meanwhile. Raises Refusal (404) for a
        URL that was not handed out, and for bytes that do not come."""
        if key not in self._tickets:
            raise Refusal("no such upload URL", status=404)
        store, accept = self._tickets[key]
        accept(receive(store, body, size, folder))
        self._used[key] = None
        if (forgotten := _forget_first(self._used)) is not None:
            self._tickets.pop(forgotten, None)

    def get(self, key: str) -> Iterator[bytes]:
        """Return the bytes behind a URL. Raises Refusal (404) for one that was not handed out."""
        if key in self._texts:
            return iter([self._texts[key]])
        what, _, signature = key.partition("/")[0].rpartition("-")
        if not hmac.compare_digest(signature.encode(), self._signature(what).encode()):
            raise Refusal("no such download URL", status=404)
        known, _, digest = what.partition("-")
        return blob_chunks(self._stores[int(known)], digest)

    def _signature(self, what: str) -> str:
        return hmac.new(self._secret, what.encode(), hashlib.sha256).hexdigest()


def _forget_first(kept: dict[str, Any]) -> str | None:
    """Drop the oldest entry of more than KEPT, and return its key."""
    if len(kept) <= KEPT:
        return None
    first = next(iter(kept))
    del kept[first]
    return first


def receive(store: Store, body: BinaryIO, size: int, folder: Path) -> Received:
    """Read `size` bytes and stage them in the store, without having all of them in memory."""
    md5 = hashlib.md5(usedforsecurity=False)
    taken = _keep_here if store.shares_files else _send
    digest = taken(store, _read(body, size, md5), folder)
    return Received(digest, size, base64_md5(md5.digest()))


def _read(body: BinaryIO, size: int, md5: Any) -> Iterator[bytes]:
    """Yield the `size` bytes of an upload, hashed on the way."""
    left = size
    while left:
        chunk = body.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise Refusal(f"the upload ended {left} bytes before its end")
        left -= len(chunk)
        md5.update(chunk)
        yield chunk


def _keep_here(store: Store, chunks: Iterable[bytes], folder: Path) -> str:
    """Write the bytes to a file in `folder`, and move it into the store; return their digest."""
    sha = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                sha.update(chunk)
                file.write(chunk)
        store.take_file(name, sha.hexdigest())
    finally:
        Path(name).unlink(missing_ok=True)
    return sha.hexdigest()


def _send(store: Store, chunks: Iterable[bytes], _: Path) -> str:
    """Send the bytes to the store, on another node, as they come; return their digest."""
    with upload(store) as sent:
        for chunk in chunks:
            sent.write(chunk)
        return sent.commit()[0]


def blob_chunks(store: Store, digest: str) -> Iterator[bytes]:
    """Yield the blob's bytes, from the disk that caller and store share or through the store."""
    if store.shares_files:
        yield from read_chunks(Path(store.blob_path(digest)))
    else:
        yield from store.blob_chunks(digest)


def md5_of(store: Store, digest: str) -> str:
    """Compute the MD5 of a blob, which the client checks what it downloads with."""
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in blob_chunks(store, digest):
        md5.update(chunk)
    return base64_md5(md5.digest())
