"""What a client changes; a field of GraphQL's type Mutation is a method here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from raysweep.tracking.endpoint.artifacts import VersionView
from raysweep.tracking.endpoint.drafts import Draft
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import LiveRun, new_run_id
from raysweep.tracking.endpoint.paging import opaque, parts_of
from raysweep.tracking.endpoint.project import Project
from raysweep.tracking.endpoint.state import State
from raysweep.tracking.endpoint.sweep_mutations import SweepMutations
from raysweep.tracking.endpoint.uploads import Received


class Mutation(SweepMutations):
    """The root of mutations."""

    def __init__(self, state: State, say: Callable[[str], None]) -> None:
        super().__init__(state)
        self._say = say

    # ---- runs ----

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin a run, or change what is said of it."""
        parts = parts_of(input.get("id") or "")
        if len(parts) == 3 and parts[0] == "run":
            project, inserted, name = self._state.project(parts[1]), False, None
            run = project.with_id(parts[2])
        else:
            project = self._state.project_of(input.get("model_name"), input.get("sweep"))
            name = input.get("name") or new_run_id()
            run, inserted = self._state.begin_run(project, name)
        run.describe(input)
        return {"bucket": project.run_called(name, run), "inserted": inserted}

    def update_run_state(self, input: dict[str, Any]) -> dict[str, bool]:
        """Close a run as failed, or open it again."""
        run = self._run_of_id(input["id"])
        state = input["state"].lower()
        if state in ("failed", "crashed", "finished"):
            run.end(0 if state == "finished" else 1)
        return {"success": True}

    def stop_run(self, input: dict[str, Any]) -> dict[str, bool]:
        """Ask a run's program to stop."""
        self._run_of_id(input["id"]).stop_requested.set()
        return {"success": True}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Hand out URLs to upload the run's files to."""
        project = self._state.project(input["project_name"])
        run = project.known(input["run_name"])
        files = [_upload(project, run, name) for name in input["files"]]
        run_id = opaque("run", project.name, run.spec.id)
        return {"run_id": run_id, "upload_headers": [], "files": files}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, bool]:
        """Note nothing: a file is kept as soon as its bytes are there."""
        return {"success": True}

    def notify_scriptable_run_alert(self, input: dict[str, Any]) -> dict[str, bool]:
        """Show what `run.alert` says."""
        self._say(f"alert: {input.get('title', '')}: {input.get('text', '')}")
        return {"success": True}

    def upsert_model(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a project, or find it."""
        project = self._state.project(input.get("name"))
        return {"project": project, "model": project, "inserted": False}

    # ---- artifacts ----

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Begin a version, or find the one that has the same content."""
        project = self._state.project(input["project_name"])
        client_id = input.get("client_id") or ""
        if client_id in self._state.drafts_by_client_id:  # the answer was lost
            known = self._state.drafts_by_client_id[client_id]
            return {"artifact": self._state.version(known.id) or known}
        self._refuse_other_type(project, input)
        if not input.get("run_name"):
            raise Refusal("createArtifact: artifacts are logged by a run here")
        run_id = project.id_of(input["run_name"])
        draft = Draft(project.place, run_id, input)
        if input.get("enable_digest_deduplication"):
            same = project.store.find_digest(draft.name, input["digest"])
            if same is not None:
                draft.again(same)
        self._state.drafts[draft.id] = draft
        self._state.drafts_by_client_id[client_id] = draft
        return {"artifact": self._state.version(draft.id) or draft}

    def _refuse_other_type(self, project: Project, input: dict[str, Any]) -> None:
        name, wanted = input["artifact_collection_name"], input["artifact_type_name"]
        known = project.artifact_collection(name)
        if known and known.type_name != wanted:
            raise Refusal(f"artifact {name} is of type {known.type_name}, and cannot be {wanted}")

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Hand out a URL to upload the manifest to."""
        draft = self._draft(input["artifact_id"])
        return {"artifact_manifest": draft.expect_manifest(input["digest"])}

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        """Hand out a URL to upload a changed manifest to."""
        number = parts_of(input["artifact_manifest_id"])[-1]
        draft = self._draft(opaque("draft", number))
        return {"artifact_manifest": draft.expect_manifest(input["digest"])}

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """Hand out URLs to upload a version's files to."""
        nodes = [
            self._draft(spec["artifact_id"]).expect_file(spec) for spec in input["artifact_files"]
        ]
        return {"files": {"edges": [{"node": node} for node in nodes]}}

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make it a version."""
        self._draft(input["artifact_id"]).commit()
        return {"artifact": self._state.version(input["artifact_id"])}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, VersionView]:
        """Note that the run uses the version."""
        view = self._version(input["artifact_id"])
        project = self._state.project(input.get("project_name") or view.place.name)
        view.place.store.use_artifact(project.id_of(input["run_name"]), view.version.ref)
        return {"artifact": view}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, VersionView]:
        """Change aliases of a version. Its description and metadata are part of it, and stay."""
        view = self._version(input["artifact_id"])
        for alias in input.get("aliases") or ():
            view.place.store.set_alias(view.version.ref, alias["alias"])
        if json.loads(input.get("metadata") or "null") not in (None, json.loads(view.metadata)):
            self._say(f"{view.version.ref}: a version's metadata cannot change here; log another")
        return {"artifact": self._version(input["artifact_id"])}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Move the aliases to the version."""
        view = self._version(input["artifact_id"])
        for alias in input["aliases"]:
            view.place.store.set_alias(view.version.ref, alias["alias"])
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, bool]:
        """Take the aliases from the version, where it has them."""
        view = self._version(input["artifact_id"])
        for alias in input["aliases"]:
            view.place.store.remove_alias(view.version.ref, alias["alias"])
        return {"success": True}

    def _draft(self, id: str) -> Draft:
        if id not in self._state.drafts:
            raise Refusal("no such artifact is being made", status=404)
        return self._state.drafts[id]

    def _version(self, id: str) -> VersionView:
        view = self._state.version(id)
        if view is None:
            raise Refusal("no such artifact, or it is not committed", status=404)
        return view

    def _run_of_id(self, id: str) -> LiveRun:
        parts = parts_of(id)
        if len(parts) != 3 or parts[0] != "run":
            raise Refusal("no such run", status=404)
        return self._state.project(parts[1]).with_id(parts[2])


def _upload(project: Project, run: LiveRun, name: str) -> dict[str, Any]:
    def accept(received: Received) -> None:
        project.place.keep(received)
        run.add_file(received.at(name))

    url = project.place.uploads.put_url(project.store, name, accept)
    return {
        "id": opaque("run-file", run.spec.id, name),
        "name": name,
        "upload_url": url,
        "upload_headers": [],
    }
