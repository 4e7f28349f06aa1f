"""Manifests: the list of an artifact's files, uploaded as a file of its own before the commit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wandb_server.blobs import Blob
from wandb_server.errors import Refusal
from wandb_server.paging import opaque

if TYPE_CHECKING:
    from wandb_server.artifacts import Artifact


@dataclass
class Manifest:
    """A manifest; `digest` is the MD5 of its file, empty until the client knows it."""

    artifact: Artifact
    number: int
    digest: str
    blob: Blob | None = None

    @property
    def id(self) -> str:
        return opaque(f"ArtifactManifest:{self.number}")

    @property
    def file(self) -> Manifest:
        """The manifest is its own file: `uploadUrl` before the upload, `directUrl` after."""
        return self

    @property
    def upload_url(self) -> str:
        return self.artifact.store.upload_url("wandb_manifest.json", self._accept, self.digest)

    @property
    def upload_headers(self) -> list[str]:
        return [f"Content-MD5:{self.digest}", "Content-Type:application/json"]

    @property
    def direct_url(self) -> str:
        assert self.blob is not None, "asked for before it was uploaded"
        return self.artifact.store.download_url(self.blob, "wandb_manifest.json")

    @property
    def entries(self) -> Mapping[str, Any]:
        """Path -> {digest, size, …}."""
        assert self.blob is not None, "asked for before it was uploaded"
        entries: Mapping[str, Any] = json.loads(self.blob.read())["contents"]
        return entries

    def check(self) -> None:
        """Raises Refusal unless every blob is stored, and the digest is the artifact's. A reference
        has no blob."""
        if self.blob is None:
            raise Refusal("commitArtifact: the manifest was not uploaded")
        digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
        for path, entry in sorted(self.entries.items()):
            stored = self.artifact.stored.get(entry["digest"])
            is_reference = "ref" in entry  # it has no bytes
            if not is_reference and (stored is None or stored.size != entry["size"]):
                raise Refusal(f"commitArtifact: file {path} of the manifest was not uploaded")
            digest.update(f"{path}:{entry['digest']}\n".encode())
        if digest.hexdigest() != self.artifact.digest:
            raise Refusal(
                f"commitArtifact: the manifest's digest is {digest.hexdigest()}, "
                f"the artifact's {self.artifact.digest}"
            )

    def _accept(self, blob: Blob) -> None:
        self.blob = blob
