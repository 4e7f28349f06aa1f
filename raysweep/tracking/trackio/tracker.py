"""The Tracker port over an embedded store, in this process or behind a remote proxy."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from raysweep.errors import ArtifactDropped, BytesLacking, TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.folder import fresh_folder, take_file
from raysweep.tracking.pictures import from_png, to_png
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactFile,
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    Run,
    RunRecord,
    RunSpec,
    RunState,
    StaleState,
)
from raysweep.tracking.store import Pictures, Row, Store, Table
from raysweep.tracking.upload import send_file


class TrackioTracker:
    """The project of `store`. Picklable if the store is."""

    backend = "trackio"

    def __init__(self, store: Store) -> None:
        self.store = store
        self.project = store.project

    @property
    def url(self) -> None:
        """See Tracker. None: the dashboard runs only on request."""

    def start_run(self, spec: RunSpec, after: int | None = None) -> Run:
        """See Tracker."""
        self.store.start_run(spec, after)
        return TrackioRun(self.store, spec.id)

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Tracker."""
        return self.store.artifact(ref)

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Tracker."""
        return self.store.find_artifact(name, fingerprint)

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """See Tracker."""
        version = self.store.artifact(ref)
        if version.dropped is not None:
            raise ArtifactDropped(
                f"{version.ref}: its bytes were dropped by {version.dropped}, and only its record "
                "is kept; download another version, or train it again"
            )
        with fresh_folder(folder) as fresh:
            for file in version.files:
                take_file(self.store, version.ref, file, safe_join(fresh, file.path, version.ref))
        return version

    def set_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self.store.set_alias(ref, alias)

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self.store.remove_alias(ref, alias)

    def run(self, run_id: str) -> RunRecord:
        """See Tracker."""
        for record in self.store.runs(run_id=run_id):
            return record
        raise TrackingError(
            f"run {run_id!r}: no such run in project {self.project!r}; see its list of runs"
        )

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """See Tracker."""
        return self.store.runs(group=group)

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """See Tracker."""
        return self.store.history(run_id)

    def images(self, run_id: str, key: str) -> list[Image]:
        """See Tracker. Raises TrackingError where none were logged."""
        media = self.store.media(run_id, key)
        if not isinstance(media, Pictures):
            raise TrackingError(f"run {run_id!r}: no images were logged under {key!r}")
        return [Image(from_png(png), caption) for png, caption in media.items]

    def table(self, run_id: str, key: str) -> tuple[list[str], list[list[Json]]]:
        """See Tracker. Raises TrackingError where none was logged."""
        media = self.store.media(run_id, key)
        if not isinstance(media, Table):
            raise TrackingError(f"run {run_id!r}: no table was logged under {key!r}")
        return list(media.columns), [list(row) for row in media.rows]

    def lineage(self, ref: str) -> Lineage:
        """See Tracker."""
        return self.store.lineage(ref)

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """See Tracker."""
        return self.store.close_stale(group, state)

    def close(self) -> None:
        """See Tracker. The store belongs to the caller, who closes it."""


class TrackioRun:
    """A run in progress over a store. Each row goes to the store at once, in its own call."""

    url = None

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self._store = store
        # A process that continues the run counts from 0 again, so its rows need another prefix.
        self._row_ids = map(f"{run_id}:{uuid.uuid4().hex[:12]}:{{}}".format, count())
        self._finished = False

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See Run."""
        self._log(Row(next(self._row_ids), step, metrics=metrics))

    def log_images(self, key: str, images: Sequence[Image], step: int) -> None:
        """See Run."""
        pictures = Pictures(tuple((to_png(image), image.caption) for image in images))
        self._log(Row(next(self._row_ids), step, media={key: pictures}))
        self.flush()

    def log_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Json]], step: int
    ) -> None:
        """See Run. Raises TrackingError for a row of another length than `columns`."""
        for number, row in enumerate(rows):
            if len(row) != len(columns):
                raise TrackingError(
                    f"table {key!r}: row {number} has {len(row)} cells for {len(columns)} columns"
                )
        table = Table(tuple(columns), tuple(tuple(row) for row in rows))
        self._log(Row(next(self._row_ids), step, media={key: table}))
        self.flush()

    def log_output(self, text: str) -> None:
        """See Run. No server shows it."""

    def use_artifact(self, ref: str) -> ArtifactVersion:
        """See Run."""
        self._must_be_open()
        return self._store.use_artifact(self.id, ref)

    def log_artifact(self, draft: ArtifactDraft) -> ArtifactVersion:
        """See Run."""
        self._must_be_open()
        assert METADATA_FILE not in draft.files, f"{METADATA_FILE} is the tracker's to write"
        try:
            return self._commit(draft)
        except BytesLacking:  # another process removed a sweep that had the same bytes
            return self._commit(draft)

    def summarize(self, values: Mapping[str, Json]) -> None:
        """See Run."""
        self._must_be_open()
        self._store.update_run(self.id, values)

    def flush(self) -> None:
        """See Run."""
        self._store.flush()

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """See Run. Records the state even if rows in flight were lost, and raises afterwards."""
        if self._finished:
            return
        self._finished = True
        self._store.update_run(self.id, {}, state, error)
        self.flush()

    def _commit(self, draft: ArtifactDraft) -> ArtifactVersion:
        files = [self._stage(name, path) for name, path in draft.files.items()]
        return self._store.commit_artifact(
            self.id, draft.name, draft.type, draft.description, draft.metadata, files
        )

    def _log(self, row: Row) -> None:
        self._must_be_open()
        self._store.log_rows(self.id, [row])

    def _must_be_open(self) -> None:
        if self._finished:
            raise TrackingError(f"run {self.id!r}: is finished; start it again to log more")

    def _stage(self, name: str, path: Path) -> ArtifactFile:
        if self._store.shares_files:
            return ArtifactFile(name, *self._store.stage_file(str(path)))
        return ArtifactFile(name, *send_file(self._store, path))
