"""Bytes: tickets to upload them, and the folder they lie in, as an object store behind W&B has.

A PUT needs a ticket that was handed out, and its bytes must have the MD5 that the ticket and the
request's Content-MD5 name: S3 refuses others with 400 BadDigest, and so does this.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from wandb_server.errors import Refusal, Violation


def md5_base64(data: bytes) -> str:
    """The digest as the client writes it."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


@dataclass(frozen=True)
class Blob:
    """Stored bytes."""

    path: Path
    size: int
    md5: str

    def read(self) -> bytes:
        """The bytes as they are on disk now."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class _Ticket:
    md5: str | None  # None: whatever comes
    accept: Callable[[Blob], None]


class BlobStore:
    """Blobs by the path of their URL; `base_url` is set when the server knows its port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tickets: dict[str, _Ticket] = {}
        self._blobs: dict[str, Blob] = {}
        self.base_url = ""

    def upload_url(self, name: str, accept: Callable[[Blob], None], md5: str | None = None) -> str:
        """A fresh URL to PUT to; `accept` is called with what was stored."""
        key = f"{secrets.token_hex(8)}/{quote(name)}"
        self._tickets[key] = _Ticket(md5, accept)
        return f"{self.base_url}/storage/{key}"

    def download_url(self, blob: Blob, name: str) -> str:
        """A URL to GET the blob from."""
        key = f"{blob.path.name}/{quote(name)}"
        self._blobs[key] = blob
        return f"{self.base_url}/storage/{key}"

    def put(self, key: str, data: bytes, content_md5: str | None) -> None:
        """Take an upload. Raises Refusal for other bytes than announced, and for no ticket."""
        ticket = self._tickets.get(key)
        if ticket is None:
            raise Violation(f"upload to {key}: no such URL was handed out")
        got = md5_base64(data)
        for wanted in (ticket.md5, content_md5):
            if wanted is not None and wanted != got:
                raise Refusal(f"BadDigest: {key} has MD5 {got}, announced was {wanted}")
        path = self._folder / secrets.token_hex(16)
        path.write_bytes(data)
        ticket.accept(Blob(path, len(data), got))

    def get(self, key: str) -> bytes:
        """The bytes behind a download URL. Raises Refusal (404) where they are gone."""
        blob = self._blobs.get(key)
        if blob is None:
            raise Violation(f"download of {key}: no such URL was handed out")
        return self.read(blob)

    def read(self, blob: Blob) -> bytes:
        """The blob's bytes. Raises Refusal (404) where they are gone."""
        if not blob.path.exists():
            raise Refusal(f"NoSuchKey: {blob.path.name}", status=404)
        return blob.read()
