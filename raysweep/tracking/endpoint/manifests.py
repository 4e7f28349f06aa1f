"""Manifests: the list of a version's files, as the client writes and reads it.

The store keeps files by SHA-256, the client checks them by MD5 and knows references, which have no
bytes. What the store has no place for is kept in the version's metadata, under NOTES.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.tracking.endpoint.paging import opaque
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.port import ArtifactVersion
from raysweep.tracking.programs import NOTES, notes, users_files, users_own

__all__ = [
    "MANIFEST_FILE",
    "NOTES",
    "ManifestView",
    "digest_of",
    "notes",
    "users_files",
    "users_own",
]

MANIFEST_FILE = "wandb_manifest.json"


def digest_of(entries: Mapping[str, Any]) -> str:
    """Compute the digest of an artifact from its manifest's entries, as the client does
    (wandb.sdk.artifacts, ArtifactManifestV1.digest)."""
    digest = hashlib.md5(b"wandb-artifact-manifest-v1\n", usedforsecurity=False)
    for path, entry in sorted(entries.items()):
        digest.update(f"{path}:{entry['digest']}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class ManifestView:
    """The manifest of a version. It is its own file, which is written when it is asked for."""

    place: Place
    version: ArtifactVersion

    graphql_type = "ArtifactManifest"

    @property
    def id(self) -> str:
        return opaque("manifest", self.place.name, self.version.ref)

    @property
    def file(self) -> ManifestView:
        return self

    @property
    def entries(self) -> dict[str, Any]:
        """Path → entry: `digest` (MD5 in base64) and `size`, of a reference what was logged."""
        entries: dict[str, Any] = dict(notes(self.version).get("entries", {}))
        birth = opaque("artifact", self.place.name, self.version.ref)
        for file in users_files(self.version):
            md5 = self.place.md5(file.digest)
            entries[file.path] = {"digest": md5, "size": file.size_bytes, "birthArtifactID": birth}
        return entries

    @property
    def direct_url(self) -> str:
        policy = {"storageLayout": "V2"}
        manifest = {
            "version": 1,
            "storagePolicy": "wandb-storage-policy-v1",
            "storagePolicyConfig": policy,
            "contents": self.entries,
        }
        data = json.dumps(manifest).encode()
        return self.place.uploads.get_url_of_text(MANIFEST_FILE, data)
