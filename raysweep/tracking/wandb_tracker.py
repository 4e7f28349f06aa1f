"""The Tracker port on the unmodified W&B client, online.

W&B has most of what the port asks for. Bridged are: metadata as a part of the version
(METADATA_FILE), a run's error, and `crashed`, which W&B's server alone may say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb

from raysweep.errors import TrackingError
from raysweep.tracking import lineage, wandb_read
from raysweep.tracking.folder import fresh_folder
from raysweep.tracking.metadata import metadata_bytes, plain
from raysweep.tracking.names import check_alias, check_artifact_name, check_run_id
from raysweep.tracking.pictures import from_png, to_pillow
from raysweep.tracking.port import (
    METADATA_FILE,
    STALE_ERROR,
    ArtifactDraft,
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    RunRecord,
    RunSpec,
    RunState,
)
from raysweep.tracking.store import Row, Table
from raysweep.tracking.wandb_project import Project
from raysweep.tracking.wandb_settings import BOUNDED, QUICK, Habits, upload_timeout_s

_open_runs: dict[str, wandb.Run] = {}
"""This process's open runs by id: the client refuses a second `init` of one it has open."""


class WandbTracker:
    """The project in W&B, of `entity` or the key's default. Connects when first used.

    Pickles as its names and habits: the key stays in each machine's environment or netrc.
    """

    backend = "wandb"

    def __init__(
        self, project: str, entity: str | None = None, habits: Habits | None = None
    ) -> None:
        self._project = Project(project, entity)
        self._habits = habits or Habits()
        self.project = project

    def knock(self) -> None:
        """Raise TrackingError where nobody listens at the server's address; takes 5 s at most."""
        self._project.knock()

    @property
    def url(self) -> str:
        """Where a browser shows the project. Raises TrackingError, within 15 s, for a server that
        does not answer, and one that refuses the key."""
        return self._project.url

    def start_run(self, spec: RunSpec) -> WandbRun:
        """See Tracker."""
        check_run_id(spec.id)
        with self._project.explained(f"start run {spec.id}"):
            if left_open := _open_runs.pop(spec.id, None):
                left_open.finish(exit_code=1)
            folder = self._habits.folder
            if folder:
                with suppress(OSError):  # the client then takes the machine's temporary folder
                    Path(folder).mkdir(parents=True, exist_ok=True)
            run = wandb.init(
                dir=folder,
                entity=self._project.entity,
                project=self.project,
                id=spec.id,
                resume="allow",
                reinit="create_new",  # else it returns the run that is active in this process
                name=spec.name,
                group=self._habits.group or spec.group,
                job_type=spec.job_type,
                tags=list(dict.fromkeys([*spec.tags, *self._habits.tags])),
                config=plain(spec.config, "config", strict=False),
                allow_val_change=True,
                settings=wandb.Settings(**QUICK, **BOUNDED),
            )
            _open_runs[spec.id] = run
            if run.resumed:
                run.summary[wandb_read.ERROR_KEY] = None
                self._project.run(spec.id).summary.update({wandb_read.ERROR_KEY: None})  # at once
        return WandbRun(self._project, run)

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Tracker."""
        with self._project.explained(f"read artifact {ref}"):
            return wandb_read.version_of(self._project.artifact(ref))

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Tracker."""
        api, path = self._project.api, self._project.path(check_artifact_name(name))
        with self._project.explained(f"look through artifact {name}"):
            if not api.artifact_exists(f"{path}:latest"):
                return None
            type_ = api.artifact(f"{path}:latest").type
            found = [
                artifact
                for artifact in api.artifacts(type_, path)
                if artifact.metadata.get("fingerprint") == fingerprint
            ]
            newest = max(found, key=lambda a: int(a.version.removeprefix("v")), default=None)
            return wandb_read.version_of(newest) if newest else None

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        with fresh_folder(folder) as fresh, self._project.explained(f"download {ref}"):
            artifact.download(root=str(fresh))
            wandb_read.check_files(artifact, fresh)
            return wandb_read.version_of(artifact)

    def set_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        if check_alias(alias) not in artifact.aliases:
            with self._project.explained(f"set alias {alias}"):
                artifact.aliases = [*artifact.aliases, alias]
                artifact.save()

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        if alias in artifact.aliases:
            with self._project.explained(f"remove alias {alias}"):
                artifact.aliases = [a for a in artifact.aliases if a != alias]
                artifact.save()

    def run(self, run_id: str) -> RunRecord:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read run {run_id}"):
            return wandb_read.record_of(run)

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """See Tracker. Two requests a run, for its artifacts."""
        runs = self._project.runs(group)
        with self._project.explained("read runs"):
            return [wandb_read.record_of(run) for run in runs]

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read history of run {run_id}"):
            return wandb_read.history_of(run)

    def images(self, run_id: str, key: str) -> list[Image]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read images of run {run_id}"):
            return wandb_read.images_of(run, key)

    def table(self, run_id: str, key: str) -> tuple[list[str], list[list[Json]]]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read table of run {run_id}"):
            return wandb_read.table_of(run, key)

    def lineage(self, ref: str) -> Lineage:
        """See Tracker."""
        focus = wandb_read.reference_of(self._project.artifact(ref))
        with self._project.explained(f"read lineage of {ref}"):
            return lineage.walk(wandb_read.WandbGraph(self._project), focus)

    def close_stale(self, group: str) -> list[str]:
        """See Tracker."""
        stale = [run for run in self._project.runs(group) if run.state == "running"]
        for run in stale:
            self._close(run)
        return [run.id for run in stale]

    def find_run(self, run_id: str) -> RunRecord | None:
        """The run, if W&B has it."""
        run = self._project.find_run(run_id)
        with self._project.explained(f"read run {run_id}"):
            return wandb_read.record_of(run) if run else None

    def last_step(self, run_id: str) -> int:
        """The last step of which the run has a row, media included; -1 where it has none."""
        run = self._project.run(run_id)
        with self._project.explained(f"read history of run {run_id}"):
            return wandb_read.last_step_of(run)

    def close_run(self, run_id: str) -> str | None:
        """As `close_stale`, of one run: where W&B shows it, or None if it has no such run."""
        run = self._project.find_run(run_id)
        if run is None:
            return None
        if run.state == "running":
            self._close(run)
        url: str = run.url
        return url

    def _close(self, run: Any) -> None:
        with self._project.explained(f"close run {run.id}"):
            run.summary.update({wandb_read.ERROR_KEY: STALE_ERROR})
            run.update_state("failed")

    def close(self) -> None:
        """See Tracker. The connection is the client's own, shared by the process."""


class WandbRun:
    """A run in progress. Rows are with the client's own process when `log` returns.

    That process sends them on by itself, also after this one was killed; the client has no call
    that waits for the server to have them, other than to finish the run.
    """

    def __init__(self, project: Project, run: wandb.Run) -> None:
        self.id: str = run.id
        self.url: str | None = run.url
        self._project = project
        self._run = run
        self._finished = False

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See Run."""
        self._log(dict(metrics), step)

    def log_images(self, key: str, images: Sequence[Image], step: int) -> None:
        """See Run."""
        with self._project.explained(f"log images {key}"):
            pictures = [_picture(image) for image in images]
        self._log({key: pictures}, step)

    def log_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Json]], step: int
    ) -> None:
        """See Run."""
        with self._project.explained(f"log table {key}"):
            table = _table(columns, rows)
        self._log({key: table}, step)

    def log_row(self, row: Row) -> None:
        """Log all of a step at once: what this process then leaves is never a part of it."""
        media: dict[str, Any] = {}
        with self._project.explained("log"):
            for key, value in row.media.items():
                if isinstance(value, Table):
                    media[key] = _table(value.columns, value.rows)
                else:
                    images = [Image(from_png(png), caption) for png, caption in value.items]
                    media[key] = [_picture(image) for image in images]
        self._log({**row.metrics, **media}, row.step)

    def use_artifact(self, ref: str) -> ArtifactVersion:
        """See Run."""
        self._must_be_open()
        artifact = self._project.artifact(ref)
        with self._project.explained(f"use artifact {ref}"):
            self._run.use_artifact(artifact)
            return wandb_read.version_of(artifact)

    def log_artifact(self, draft: ArtifactDraft) -> ArtifactVersion:
        """See Run."""
        self._must_be_open()
        assert METADATA_FILE not in draft.files, f"{METADATA_FILE} is the tracker's to write"
        with self._project.explained(f"log artifact {draft.name}"):
            artifact = wandb.Artifact(
                check_artifact_name(draft.name),
                type=draft.type,
                description=draft.description,
                metadata=plain(draft.metadata),
            )
            for name, path in draft.files.items():
                artifact.add_file(str(path), name=name)
            with artifact.new_file(METADATA_FILE, mode="wb") as file:
                file.write(metadata_bytes(draft.metadata))
            self._run.log_artifact(artifact).wait(timeout=upload_timeout_s(artifact.size))
            return wandb_read.version_of(artifact)

    def summarize(self, values: Mapping[str, Json]) -> None:
        """See Run."""
        self._must_be_open()
        with self._project.explained("write the summary"):
            self._run.summary.update(plain(values, "summary", strict=False))

    def flush(self) -> None:
        """See Run, and the class."""

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """See Run. Raises TrackingError if the server has not all of it in FINISH_TIMEOUT_S."""
        if self._finished:
            return
        self._finished = True
        with self._project.explained(f"finish run {self.id}"):
            if state == "crashed" or error is not None:
                self._run.summary[wandb_read.ERROR_KEY] = error or STALE_ERROR
            _open_runs.pop(self.id, None)
            self._run.finish(exit_code=0 if state == "finished" else 1)

    def _log(self, values: dict[str, Any], step: int) -> None:
        self._must_be_open()
        with self._project.explained("log"):
            self._run.log(values, step=step)

    def _must_be_open(self) -> None:
        if self._finished:
            raise TrackingError(f"run {self.id!r}: is finished; start it again to log more")


def _picture(image: Image) -> wandb.Image:
    """As Pillow's: of an array the client guesses the range, and may scale it."""
    return wandb.Image(to_pillow(image), caption=image.caption, file_type="png")


def _table(columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> wandb.Table:
    return wandb.Table(columns=list(columns), data=[list(row) for row in rows])
