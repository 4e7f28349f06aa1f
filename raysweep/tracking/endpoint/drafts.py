"""Versions in the making: what the client says of an artifact until it commits it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raysweep.tracking.endpoint import manifests
from raysweep.tracking.endpoint.artifacts import CollectionView, TypeView, VersionView, find_by_id
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.paging import opaque
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.endpoint.uploads import Received, blob_chunks, hex_md5
from raysweep.tracking.metadata import plain
from raysweep.tracking.port import METADATA_FILE, ArtifactFile, ArtifactVersion, Json
from raysweep.tracking.programs import RUN_TABLE


@dataclass
class Draft:
    """An artifact that has no version yet; after the commit it stands for its version."""

    place: Place
    run_id: str
    said: Mapping[str, Any]
    number: str = field(default_factory=lambda: uuid.uuid4().hex)
    manifest_digest: str = ""
    manifest: Received | None = None
    version: ArtifactVersion | None = None

    graphql_type = "Artifact"

    @property
    def id(self) -> str:
        return opaque("draft", self.number)

    @property
    def state(self) -> str:
        return "COMMITTED" if self.version else "PENDING"

    @property
    def name(self) -> str:
        return str(self.said["artifact_collection_name"])

    @property
    def version_index(self) -> int | None:
        return VersionView(self.place, self.version).version_index if self.version else None

    @property
    def commit_hash(self) -> str:
        return self.number

    @property
    def artifact_sequence(self) -> CollectionView:
        return CollectionView(self.place, self.name, str(self.said["artifact_type_name"]))

    @property
    def artifact_type(self) -> TypeView:
        return self.artifact_sequence.type

    # ---- its manifest, which is its own file as well ----

    def expect_manifest(self, digest: str) -> dict[str, Any]:
        """Return what `createArtifactManifest` answers: where to upload the manifest."""
        self.manifest_digest = digest
        store, name = self.place.store, manifests.MANIFEST_FILE
        file = {
            "id": opaque("manifest-file", self.number),
            "name": name,
            "display_name": name,
            "upload_url": self.place.uploads.put_url(store, name, self._accept),
            "upload_headers": [f"Content-MD5:{digest}", "Content-Type:application/json"],
        }
        return {"id": opaque("manifest", self.number), "file": file}

    def _accept(self, received: Received) -> None:
        self.manifest = received

    def expect_file(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer of `createArtifactFiles`: where to upload it; nowhere for bytes that
        have come before."""
        md5 = spec["md5"]
        known = md5 in self.place.received
        url = (
            None
            if known
            else self.place.uploads.put_url(self.place.store, spec["name"], self.place.keep)
        )
        return {
            "name": spec["name"],
            "display_name": spec["name"],
            "storage_path": f"wandb_artifacts/{self.number}/{hex_md5(md5)}",
            "upload_headers": [f"Content-MD5:{md5}"],
            "upload_url": url,
            "upload_multipart_urls": None,
            "artifact": self,
        }

    # ---- its version ----

    def commit(self) -> None:
        """Make the version. Raises Refusal where anything of it is missing."""
        if self.version is not None:
            return  # the answer was lost, and the client asks again
        entries = self._entries()
        references = {path: each for path, each in entries.items() if each.get("ref")}
        files = [
            self._file(path, entry) for path, entry in entries.items() if path not in references
        ]
        own: dict[str, Json] = plain(json.loads(self.said.get("metadata") or "{}") or {})
        noted = {"digest": self.said["digest"], "entries": references}
        self.take(files, {**own, manifests.NOTES: noted})

    def take(self, files: list[ArtifactFile], metadata: Mapping[str, Json]) -> None:
        """Log the version as the run's, and move its aliases."""
        self.version = self.place.store.commit_artifact(
            self.run_id,
            self.name,
            str(self.said["artifact_type_name"]),
            str(self.said.get("description") or ""),
            metadata,
            files,
        )
        for alias in self.said.get("aliases") or ():
            self.place.store.set_alias(self.version.ref, alias["alias"])
        if self.version.type == RUN_TABLE:
            self.place.keep_table(self.run_id, str(self.said.get("client_id")), self.version.ref)

    def again(self, same: ArtifactVersion) -> None:
        """Stand for a version that has the same content: the run has logged it, too."""
        files = [file for file in same.files if file.path != METADATA_FILE]
        self.take(files, same.metadata)

    def _entries(self) -> dict[str, Any]:
        if self.manifest is None:
            raise Refusal(f"commitArtifact: the manifest of {self.name} was not uploaded")
        data = b"".join(blob_chunks(self.place.store, self.manifest.digest))
        entries: dict[str, Any] = json.loads(data)["contents"]
        return entries

    def _file(self, path: str, entry: Mapping[str, Any]) -> ArtifactFile:
        """Return the file of an entry: what was uploaded, or what another version has."""
        if entry["digest"] in self.place.received:
            return self.place.received[entry["digest"]].at(path)
        if birth := entry.get("birthArtifactID"):
            other = find_by_id(self.place, birth)
            for file in other.version.files if other else ():
                if self.place.md5(file.digest) == entry["digest"]:
                    return ArtifactFile(path, file.digest, file.size_bytes)
        raise Refusal(f"commitArtifact: the file {path} of {self.name} was not uploaded")
