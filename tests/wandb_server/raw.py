"""The protocol spoken by hand, for what the real client never does, and for many at once."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
import uuid
from typing import Any

from wandb_server.blobs import md5_base64
from wandb_server.server import WandbServer

CREATE = """mutation CreateArtifact($input: CreateArtifactInput!) {
  createArtifact(input: $input) { artifact { id state } } }"""
MANIFEST = """mutation CreateArtifactManifest($input: CreateArtifactManifestInput!) {
  createArtifactManifest(input: $input) { artifactManifest { id file { uploadUrl } } } }"""
FILES = """mutation CreateArtifactFiles($input: CreateArtifactFilesInput!) {
  createArtifactFiles(input: $input) { files { edges { node { uploadUrl } } } } }"""
COMMIT = """mutation CommitArtifact($id: ID!) {
  commitArtifact(input: {artifactID: $id}) { artifact { id versionIndex } } }"""
UPSERT = """mutation UpsertBucket($name: String, $project: String, $entity: String) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity}) {
    bucket { id name } inserted } }"""
USE = """mutation UseArtifact($input: UseArtifactInput!) {
  useArtifact(input: $input) { artifact { id } } }"""
STATE = """mutation UpdateRunState($input: UpdateRunStateInput!) {
  updateRunState(input: $input) { success } }"""


class Raw:
    """A run `run` in `project`, by hand. Calls raise urllib's HTTPError for any status but 200."""

    def __init__(self, server: WandbServer, project: str, run: str = "run") -> None:
        self._server = server
        self.place = {"entityName": server.entity, "projectName": project, "runName": run}

    def send(
        self,
        path: str,
        body: bytes,
        method: str = "POST",
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """A request; `path` is below the server's URL, or a URL of its own."""
        token = base64.b64encode(f"api:{key or self._server.api_key}".encode()).decode()
        request = urllib.request.Request(
            path if path.startswith("http") else self._server.url + path,
            data=body,
            method=method,
            headers={"Authorization": f"Basic {token}", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            data: bytes = answer.read()
        return data

    def ask(self, query: str, **variables: Any) -> Any:
        """A GraphQL operation; its `data`."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return json.loads(self.send("/graphql", body))["data"]

    def stream(self, **message: Any) -> Any:
        """A message of the file stream."""
        path = "/files/{entityName}/{projectName}/{runName}/file_stream".format(**self.place)
        return json.loads(self.send(path, json.dumps(message).encode()))

    def start(self) -> Any:
        """Make the run; what the server says of it."""
        place = self.place
        return self.ask(
            UPSERT, name=place["runName"], project=place["projectName"], entity=place["entityName"]
        )["upsertBucket"]

    def create(self, name: str, data: bytes, type: str = "dataset") -> str:
        """Begin an artifact of one file `f`; its id."""
        artifact = {
            "artifactTypeName": type,
            "artifactCollectionName": name,
            "digest": digest_of(data),
            "digestAlgorithm": "MANIFEST_MD5",
            "clientID": uuid.uuid4().hex,
            "sequenceClientID": uuid.uuid4().hex,
            "enableDigestDeduplication": True,
        }
        created = self.ask(CREATE, input=self.place | artifact)
        id: str = created["createArtifact"]["artifact"]["id"]
        return id

    def add_manifest(self, artifact: str, text: bytes) -> str:
        """Upload the manifest; its id."""
        fields = {"artifactID": artifact, "name": "wandb_manifest.json", "digest": md5_base64(text)}
        made = self.ask(MANIFEST, input=self.place | fields | {"type": "FULL"})
        manifest = made["createArtifactManifest"]["artifactManifest"]
        self.send(manifest["file"]["uploadUrl"], text, "PUT")
        id: str = manifest["id"]
        return id

    def upload_url(self, artifact: str, data: bytes) -> str | None:
        """Where to put the file `f`; None where the server has the bytes."""
        md5 = md5_base64(data)
        spec = {"artifactID": artifact, "artifactManifestID": "", "name": "f"}
        answer = self.ask(
            FILES,
            input={
                "artifactFiles": [spec | {"md5": md5, "digest": md5}],
                "storageLayout": "V2",
                "digestAlgorithm": "MANIFEST_MD5",
            },
        )
        url: str | None = answer["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"]
        return url

    def commit(self, artifact: str) -> int:
        """Commit it; the number of the version."""
        number: int = self.ask(COMMIT, id=artifact)["commitArtifact"]["artifact"]["versionIndex"]
        return number

    def log(self, name: str, data: bytes) -> int:
        """All of it: an artifact of one file; the number of the version."""
        artifact = self.create(name, data)
        if url := self.upload_url(artifact, data):
            self.send(url, data, "PUT")
        self.add_manifest(artifact, manifest_of(data))
        return self.commit(artifact)


def manifest_of(data: bytes, size: int | None = None) -> bytes:
    """The manifest of an artifact of one file `f`."""
    entry = {"digest": md5_base64(data), "size": len(data) if size is None else size}
    return json.dumps({"version": 1, "contents": {"f": entry}}).encode()


def digest_of(data: bytes) -> str:
    """The digest of that artifact."""
    text = f"wandb-artifact-manifest-v1\nf:{md5_base64(data)}\n"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def refusal(error: urllib.error.HTTPError) -> tuple[int, str]:
    """Status and message of a refusal."""
    with error:
        return error.code, json.loads(error.read())["errors"][0]["message"]
