"""A run in progress on W&B's client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import wandb

from raysweep.errors import TrackingError
from raysweep.tracking.metadata import metadata_bytes, plain
from raysweep.tracking.names import check_artifact_name
from raysweep.tracking.pictures import from_png, to_pillow
from raysweep.tracking.port import (
    METADATA_FILE,
    STALE_ERRORS,
    ArtifactDraft,
    ArtifactVersion,
    Image,
    Json,
    RunState,
)
from raysweep.tracking.store import ClientMedia, Row, Table
from raysweep.tracking.wandb import read as wandb_read
from raysweep.tracking.wandb.project import Project
from raysweep.tracking.wandb.settings import transfer_timeout_s

open_runs: dict[str, wandb.Run] = {}
"""This process's open runs by id: the client refuses a second `init` of an open run."""


class WandbRun:
    """A run in progress. When `log` returns, the client's helper process has the row.

    That process sends it to the server, even after this one was killed. The client's only call that
    waits for the server is finishing the run.
    """

    def __init__(self, project: Project, run: wandb.Run, sent: int = -1) -> None:
        """`sent`: the step up to which the server has the rows that an earlier process logged."""
        self.id: str = run.id
        self.url: str | None = run.url
        self._project = project
        self._run = run
        self._sent = sent
        self._finished = False
        self._row_is_open = False
        self._summary: dict[str, Json] = {}

    @property
    def sent(self) -> int:
        """The step up to which W&B had rows when it was started; -1: none."""
        return self._sent

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
        """Log a whole step at once, so that a kill never leaves a part of it."""
        media: dict[str, Any] = {}
        with self._project.explained("log"):
            for key, value in row.media.items():
                if isinstance(value, Table):
                    media[key] = _table(value.columns, value.rows)
                elif isinstance(value, ClientMedia):
                    media[key] = dict(value.value)  # its file is published with the run's files
                else:
                    images = [Image(from_png(png), caption) for png, caption in value.items]
                    media[key] = [_picture(image) for image in images]
        self._log({**row.metrics, **media}, row.step)

    def log_output(self, text: str) -> None:
        """See Run."""
        if text:
            self._run.write_logs(text)

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
            self._run.log_artifact(artifact).wait(timeout=transfer_timeout_s(artifact.size))
            return wandb_read.version_of(artifact)

    def summarize(self, values: Mapping[str, Json]) -> None:
        """See Run."""
        self._must_be_open()
        with self._project.explained("write the summary"):
            self._summary |= plain(values, "summary", strict=False)
            self._run.summary.update(self._summary)

    def flush(self) -> None:
        """See Run, and the class."""

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """See Run. Raises TrackingError if the upload takes longer than FINISH_TIMEOUT_S."""
        if self._finished:
            return
        self._finished = True
        with self._project.explained(f"finish run {self.id}"):
            if self._summary and self._row_is_open:
                # The client keeps the last row open, since more of its step may come, and at the
                # end sets the summary to its values: so the summary is written after that.
                self._run.log({}, commit=True)
                self._run.summary.update(self._summary)
            if message := error or STALE_ERRORS.get(state):
                self._run.summary[wandb_read.ERROR_KEY] = message
            open_runs.pop(self.id, None)
            self._run.finish(exit_code=0 if state == "finished" else 1)

    def _log(self, values: dict[str, Any], step: int) -> None:
        self._must_be_open()
        if step <= self._sent:
            return
        with self._project.explained("log"):
            self._run.log(values, step=step)
            self._row_is_open = True

    def _must_be_open(self) -> None:
        if self._finished:
            raise TrackingError(f"run {self.id!r}: is finished; start it again to log more")


def _picture(image: Image) -> wandb.Image:
    """Convert to W&B through Pillow: of an array the client guesses the range, and may scale it."""
    return wandb.Image(to_pillow(image), caption=image.caption, file_type="png")


def _table(columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> wandb.Table:
    return wandb.Table(columns=list(columns), data=[list(row) for row in rows])
