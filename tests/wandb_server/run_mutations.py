"""GraphQL's mutations of runs; a field of the type Mutation is a method here."""

from __future__ import annotations

import json
from typing import Any

from wandb_server.blobs import Blob
from wandb_server.errors import Refusal
from wandb_server.paging import opaque
from wandb_server.runs import Run, RunFile
from wandb_server.state import State

_TRANSITIONS = {
    "pending": {"running", "failed", "crashed", "preempted"},
    "failed": {"pending", "running"},
}
"""State -> the states from which a client may set it, as the client's docstring says."""


class RunMutations:
    """What changes runs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        """Make a run or change it. Named by project and name it runs again; by id it does not."""
        id, name = input.pop("id", None), input.pop("name", None)
        if id is not None and name is None:
            run, inserted = self._state.run_by_id(id), False
        else:
            run, inserted = self._open(input.pop("entity_name"), input.pop("model_name"), name)
        if (sweep := input.pop("sweep", None)) is not None:
            if sweep not in run.project.sweeps:
                raise Refusal(f"sweep {sweep} not found", status=404)
            run.sweep_name = sweep
        for key in ("config", "summary_metrics"):
            if (text := input.pop(key, None)) is not None:
                json.loads(text)
                setattr(run, key, text)
        run.attributes |= {key: value for key, value in input.items() if value is not None}
        return {"bucket": run, "inserted": inserted}

    def _open(self, entity: str | None, project_name: str | None, name: str) -> tuple[Run, bool]:
        project = self._state.project_for_writing(entity, project_name)
        run = project.run(name)
        inserted = run is None
        if run is None:
            run = Run(project, name, self._state.number(), self._state.now())
            project.runs_by_name[name] = run
        run.state, run.exit_code = "running", None
        run.heartbeat_at = self._state.now()
        return run, inserted

    def update_run_state(self, input: dict[str, Any]) -> dict[str, bool]:
        """Mark a run `failed` or `pending`, from the states that allow it."""
        run, state = self._state.run_by_id(input["id"]), input["state"]
        if run.state not in _TRANSITIONS.get(state, ()):
            raise Refusal(f"a run that is {run.state} cannot become {state}")
        run.state = state
        return {"success": True}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        """URLs to upload the named files to."""
        run = self._state.run(input["entity_name"], input["project_name"], input["run_name"])
        files = [self._run_upload(run, name) for name in input["files"]]
        return {"run_id": run.id, "upload_headers": [], "files": files}

    def _run_upload(self, run: Run, name: str) -> dict[str, Any]:
        store, id = self._state.store, opaque(f"File:{run.number}:{name}")

        def accept(blob: Blob) -> None:
            run.uploads[name] = RunFile(id, name, blob, store, self._state.now())

        url = store.upload_url(name, accept)
        return {"id": id, "name": name, "upload_url": url, "upload_headers": []}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, bool]:
        """The client says that the files are there. Raises Refusal where one is not."""
        run = self._state.run(input["entity_name"], input["project_name"], input["run_name"])
        missing = [name for name in input["files"] if name not in run.uploads]
        if missing:
            raise Refusal(f"markRunFilesUploaded: {', '.join(missing)} was not uploaded")
        return {"success": True}

    def notify_scriptable_run_alert(self, input: dict[str, Any]) -> dict[str, bool]:
        """Send no mail: there is nobody to send one to."""
        self._state.run(input["entity_name"], input["project_name"], input["run_name"])
        return {"success": True}
