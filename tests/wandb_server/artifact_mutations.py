"""GraphQL's mutations of artifacts; a field of the type Mutation is a method here."""

from __future__ import annotations

from typing import Any

from wandb_server.artifacts import Artifact, ArtifactType, Sequence
from wandb_server.errors import Refusal
from wandb_server.manifests import Manifest
from wandb_server.projects import Project
from wandb_server.state import State


class ArtifactMutations:
    """What makes versions, uses them and moves their aliases."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Artifact]:
        """Begin a version, or find the one that has the digest already."""
        state = self._state
        run = state.run(input["entity_name"], input["project_name"], input["run_name"])
        if known := state.artifacts_by_client_id.get(input["client_id"]):
            return {"artifact": known}  # the answer was lost, and the client asks again
        sequence = self._sequence(run.project, input)
        aliases = tuple(alias["alias"] for alias in input.get("aliases") or ())
        same = sequence.committed(input["digest"])
        if same and input.get("enable_digest_deduplication"):
            for alias in aliases:
                sequence.holders[alias] = same
            if same not in run.outputs:
                run.outputs.append(same)
            state.artifacts_by_client_id[input["client_id"]] = same
            return {"artifact": same}
        artifact = Artifact(
            sequence=sequence,
            number=state.number(),
            digest=input["digest"],
            created_by=run,
            created_at=state.now(),
            store=state.store,
            description=input.get("description"),
            metadata=input.get("metadata"),
            history_step=input.get("history_step"),
            wanted_aliases=aliases,
        )
        state.artifacts[artifact.id] = artifact
        state.artifacts_by_client_id[input["client_id"]] = artifact
        return {"artifact": artifact}

    def _sequence(self, project: Project, input: dict[str, Any]) -> Sequence:
        type_name, name = input["artifact_type_name"], input["artifact_collection_name"]
        type_ = project.types.setdefault(
            type_name, ArtifactType(project, type_name, self._state.now())
        )
        sequence = project.sequences.setdefault(name, Sequence(project, name, type_))
        if sequence.type is not type_:
            raise Refusal(
                f"artifact {name} is of type {sequence.type.name}, and cannot be {type_name}"
            )
        return sequence

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Manifest]:
        """Begin a manifest, which takes the place of the one before."""
        artifact = self._pending(input["artifact_id"])
        manifest = Manifest(artifact, self._state.number(), input["digest"])
        artifact.current_manifest = manifest
        self._state.manifests[manifest.id] = manifest
        return {"artifact_manifest": manifest}

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Manifest]:
        """Say what the manifest's digest has become."""
        manifest = self._state.manifests[input["artifact_manifest_id"]]
        self._pending(manifest.artifact.id)
        manifest.digest = input["digest"]
        return {"artifact_manifest": manifest}

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """URLs to upload the files to; none for bytes that the project has already."""
        nodes = [self._artifact_upload(spec) for spec in input["artifact_files"]]
        return {"files": {"edges": [{"node": node} for node in nodes]}}

    def _artifact_upload(self, spec: dict[str, Any]) -> dict[str, Any]:
        artifact, md5 = self._pending(spec["artifact_id"]), spec["md5"]
        blobs = artifact.sequence.project.blobs
        node = {
            "storage_path": f"wandb_artifacts/{artifact.number}/{md5}",
            "upload_headers": [f"Content-MD5:{md5}"],
            "upload_url": None,
            "upload_multipart_urls": None,
            "artifact": artifact,
        }
        if md5 in blobs:
            node["artifact"], artifact.stored[md5] = blobs[md5]
            return node

        def accept(blob: Any) -> None:
            artifact.stored[md5] = blob
            blobs[md5] = (artifact, blob)

        node["upload_url"] = self._state.store.upload_url(spec["name"], accept, md5)
        return node

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Artifact]:
        """Make it a version. Raises Refusal where anything of it is missing."""
        artifact = self._state.artifact(input["artifact_id"])
        if artifact.state == "PENDING":  # else the answer was lost, and the client asks again
            if artifact.current_manifest is None:
                raise Refusal("commitArtifact: there is no manifest")
            artifact.current_manifest.check()
            artifact.sequence.add(artifact)
            artifact.created_by.outputs.append(artifact)
        return {"artifact": artifact}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, Artifact]:
        """Note that the run uses the version."""
        artifact = self._committed(input["artifact_id"])
        run = self._state.run(input["entity_name"], input["project_name"], input["run_name"])
        if artifact not in run.inputs:
            run.inputs.append(artifact)
            artifact.consumers.append(run)
        return {"artifact": artifact}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, Artifact]:
        """Change the description or the metadata of a version."""
        artifact = self._committed(input["artifact_id"])
        for key in ("description", "metadata"):
            if input.get(key) is not None:
                setattr(artifact, key, input[key])
        artifact.updated_at = self._state.now()
        return {"artifact": artifact}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Move the aliases to the version."""
        artifact = self._committed(input["artifact_id"])
        for alias in input["aliases"]:
            self._must_be_of(artifact, alias)
            artifact.sequence.holders[alias["alias"]] = artifact
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take the aliases from the version, where it holds them."""
        artifact = self._committed(input["artifact_id"])
        holders = artifact.sequence.holders
        for alias in input["aliases"]:
            self._must_be_of(artifact, alias)
            if holders.get(alias["alias"]) is artifact:
                del holders[alias["alias"]]
        return {"success": True}

    def _must_be_of(self, artifact: Artifact, alias: dict[str, str]) -> None:
        project = artifact.sequence.project
        place = (project.entity.name, project.name, artifact.sequence.name)
        named = (alias["entity_name"], alias["project_name"], alias["artifact_collection_name"])
        if named != place:
            raise Refusal(f"alias {alias['alias']} names {named}, and the version is in {place}")

    def _pending(self, id: str) -> Artifact:
        artifact = self._state.artifact(id)
        if artifact.state != "PENDING":
            raise Refusal(f"artifact {id} is {artifact.state}, and cannot change")
        return artifact

    def _committed(self, id: str) -> Artifact:
        artifact = self._state.artifact(id)
        if artifact.state != "COMMITTED":
            raise Refusal(f"artifact {id} is {artifact.state}, and cannot be used")
        return artifact
