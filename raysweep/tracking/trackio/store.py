"""The embedded store over Trackio: when a call returns, its effect is in SQLite and the dashboard.

Only this folder and the dashboard's server use Trackio's private parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raysweep.errors import BytesLacking
from raysweep.stderr import to_stderr
from raysweep.tracking import lineage
from raysweep.tracking.blobs import Blobs
from raysweep.tracking.busy import INTERRUPTED_S, Tell
from raysweep.tracking.metadata import metadata_bytes, plain
from raysweep.tracking.names import check_alias, check_artifact_name, check_run_id, validate_project
from raysweep.tracking.port import (
    METADATA_FILE,
    STALE_ERRORS,
    ArtifactFile,
    ArtifactVersion,
    Json,
    Lineage,
    RunRecord,
    RunSpec,
    RunState,
    StaleState,
)
from raysweep.tracking.store import ClientMedia, Media, Row, Table
from raysweep.tracking.trackio import artifacts, run_files, runs
from raysweep.tracking.trackio.database import Database
from raysweep.tracking.trackio.graph import Graph
from raysweep.tracking.trackio.removal import Removing
from raysweep.tracking.trackio.rows import (
    RunEntry,
    client_media_payload,
    is_media,
    pictures_payload,
    read_media,
    table_payload,
)
from raysweep.tracking.trackio.store_bytes import StoreBytes
from raysweep.tracking.trackio.sweep_book import SweepBook
from raysweep.tracking.write_behind import settle_folder


class TrackioStore(StoreBytes):
    """The Store of `project` in the folder `root`, created if it does not exist.

    It is thread-safe, and several processes may each open their own; a pickled copy opens the same
    store. Raises TrackingError if the folder cannot be written or the database cannot be read, and
    ConfigError for a project name that Trackio refuses.
    """

    shares_files = True

    def __init__(self, root: Path, project: str, tell: Tell = to_stderr) -> None:
        """`tell` is called with a line if another process holds the store's lock."""
        self.root = Path(root).absolute()
        self.project = validate_project(project)
        self._database = Database(self.root, project, tell)
        self._blobs = Blobs(self._database.blobs)

    def __reduce__(self) -> tuple[Any, ...]:
        return TrackioStore, (self.root, self.project)

    @property
    def removing(self) -> Removing:
        """Return what takes runs, versions and bytes out of the project."""
        return Removing(self._database, self.root, self.project)

    @property
    def sweeps(self) -> SweepBook:
        """Return the sweeps that W&B's agents run in the project."""
        return SweepBook(self._database)

    def start_run(self, spec: RunSpec, after: int | None = None) -> None:
        """See Store. The first row has no values: Trackio lists only runs that have a row."""
        check_run_id(spec.id)
        with self._database.writing("start the run") as db:
            entry = RunEntry.started(spec, runs.find_entry(db, spec.id), runs.now())
            runs.put_entry(db, spec.id, entry)
            if after is not None:
                runs.drop_rows(db, spec.id, after)
                if after < 0:
                    artifacts.drop_uses(db, spec.id)
            runs.put_rows(db, spec.id, entry.name, [(f"{spec.id}:start", 0, {})])

    def update_run(
        self,
        run_id: str,
        summary: Mapping[str, Json],
        state: RunState | None = None,
        error: str | None = None,
    ) -> None:
        """See Store."""
        with self._database.writing("update the run") as db:
            entry = runs.entry_of(db, run_id).summarized(summary)
            if state is not None:
                entry = replace(entry, state=state, error=error)
            runs.put_entry(db, run_id, entry)

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """See Store."""
        check_run_id(run_id)
        with self._database.explained("log"):
            values = [(row.id, row.step, self._values(run_id, row)) for row in rows]
        with self._database.writing("log") as db:
            runs.put_rows(db, run_id, runs.entry_of(db, run_id).name, values)

    def flush(self) -> None:
        """See Store. Nothing is ever in flight here."""

    def describe_run(self, spec: RunSpec) -> None:
        """See Store."""
        with self._database.writing("describe the run") as db:
            runs.put_entry(db, spec.id, runs.entry_of(db, spec.id).described(spec))

    def set_url(self, run_id: str, url: str | None) -> None:
        """See Store."""
        with self._database.writing("note where the run is shown") as db:
            runs.put_entry(db, run_id, replace(runs.entry_of(db, run_id), url=url))

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """See Store."""
        patience_s = INTERRUPTED_S if state == "interrupted" else None
        with self._database.writing("close stale runs", patience_s) as db:
            found = runs.entries(db, group=group)
            stale = [(run_id, entry) for run_id, entry in found if entry.state == "running"]
            for run_id, entry in stale:
                runs.put_entry(db, run_id, replace(entry, state=state, error=STALE_ERRORS[state]))
        return [run_id for run_id, _ in stale]

    def runs(self, group: str | None = None, run_id: str | None = None) -> list[RunRecord]:
        """See Store."""
        with self._database.reading("read runs") as db:
            found, links = runs.entries(db, group, run_id), artifacts.Links(db, run_id)
        return [runs.record(run_id, entry, links) for run_id, entry in found]

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """See Store."""
        with self._database.reading("read history") as db:
            runs.entry_of(db, run_id)
            return runs.history_of(db, run_id)

    def rows(self, run_id: str) -> list[Row]:
        """See Store. Also for publishing the run."""
        with self._database.reading("read rows") as db:
            runs.entry_of(db, run_id)
            return [self._row(*row) for row in runs.rows_of(db, run_id)]

    def events(self) -> list[artifacts.GraphEvent]:
        """Return every input and output of the project in recorded order, for publishing the runs.
        A version is always logged before it is used."""
        with self._database.reading("read the graph") as db:
            return list(artifacts.events(db))

    def add_files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        """See Store."""
        with self._database.explained("keep the run's files"):
            for file in files:
                self._must_be_staged(run_id, file)
        with self._database.writing("keep the run's files") as db:
            runs.entry_of(db, run_id)
            run_files.put(db, run_id, files)

    def files(self, run_id: str) -> list[ArtifactFile]:
        """See Store."""
        with self._database.reading("list the run's files") as db:
            runs.entry_of(db, run_id)
            return run_files.of_runs(db, [run_id]).get(run_id, [])

    def media(self, run_id: str, key: str) -> Media | None:
        """See Store."""
        with self._database.reading("read media") as db:
            runs.entry_of(db, run_id)
            payload = runs.media_payload(db, run_id, key)
            return read_media(payload, self._database.media) if payload else None

    def use_artifact(self, run_id: str, ref: str) -> ArtifactVersion:
        """See Store."""
        with self._database.writing("use the artifact") as db:
            entry, found = runs.entry_of(db, run_id), artifacts.find(db, ref)
            artifacts.link(db, (run_id, entry.name), found, "input", runs.now())
            return artifacts.version(found)

    def commit_artifact(
        self,
        run_id: str,
        name: str,
        type: str,
        description: str,
        metadata: Mapping[str, Json],
        files: Sequence[ArtifactFile],
    ) -> ArtifactVersion:
        """See Store. Trackio stores one description per name: that of the newest version."""
        check_artifact_name(name)
        with self._database.writing("log the artifact") as db:
            for file in files:  # here, where no other process removes blobs
                self._must_be_staged(name, file)
            record = ArtifactFile(METADATA_FILE, *self._blobs.stage_bytes(metadata_bytes(metadata)))
            run = (run_id, runs.entry_of(db, run_id).name)
            artifact = (name, type, description)
            all_files = [*files, record]
            return artifacts.version(
                artifacts.commit(db, run, artifact, all_files, plain(metadata), runs.now())
            )

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Store."""
        with self._database.reading("read the artifact") as db:
            return artifacts.version(artifacts.find(db, ref))

    def versions(self, name: str | None = None) -> list[ArtifactVersion]:
        """See Store."""
        with self._database.reading("list the versions") as db:
            return [artifacts.version(found) for found in artifacts.versions(db, name)]

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Store."""
        with self._database.reading("find the artifact") as db:
            found = artifacts.find_by_metadata(db, name, "fingerprint", fingerprint)
            return artifacts.version(found) if found else None

    def find_digest(self, name: str, digest: str) -> ArtifactVersion | None:
        """See Store."""
        with self._database.reading("find the artifact") as db:
            found = artifacts.find_by_metadata(db, name, "_wandb.digest", digest)
            return artifacts.version(found) if found else None

    def check(self, digest: str) -> bool:
        """Whether the blob exists and is intact. A damaged one is removed."""
        with self._database.explained("read a blob"):
            return self._blobs.check(digest)

    def settle(self, group: str) -> None:
        """Fsync all that the group's runs logged, so that it survives a power cut."""
        with self._database.reading("list what is to be kept") as db:
            run_ids = [run_id for run_id, _ in runs.entries(db, group=group)]
            files = run_files.of_runs(db, run_ids).values()
            digests = artifacts.digests_logged(db, run_ids) | {f.digest for fs in files for f in fs}
        with self._database.explained("put the store on the disk"):
            self._blobs.settle(digests)
            for run_id in run_ids:
                settle_folder(self._database.media / self.project / run_id)
            self._database.settle()

    def set_alias(self, ref: str, alias: str) -> None:
        """See Store."""
        check_alias(alias)
        with self._database.writing("set the alias") as db:
            artifacts.set_alias(db, artifacts.find(db, ref), alias)

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Store."""
        with self._database.writing("remove the alias") as db:
            artifacts.remove_alias(db, artifacts.find(db, ref), alias)

    def lineage(self, ref: str) -> Lineage:
        """See Store."""
        with self._database.reading("read the lineage") as db:
            focus = artifacts.version(artifacts.find(db, ref)).ref
            return lineage.walk(Graph(db), focus)

    def _values(self, run_id: str, row: Row) -> dict[str, Json]:
        """Encode a row's values as Trackio's JSON; write its pictures to files."""
        values: dict[str, Json] = dict(plain(row.metrics, "metrics"))
        for key, media in row.media.items():
            if isinstance(media, Table):
                values[key] = table_payload(media)
            elif isinstance(media, ClientMedia):
                values[key] = client_media_payload(media)
            else:
                folder = f"{self.project}/{run_id}/{row.step}"
                values[key] = pictures_payload(media, self._database.media, folder)
        return values

    def _row(self, row_id: str, step: int, values: Mapping[str, Json]) -> Row:
        media = {
            key: read_media(value, self._database.media)
            for key, value in values.items()
            if is_media(value)
        }
        metrics = {key: value for key, value in values.items() if key not in media}
        return Row(row_id, step, metrics, media)

    def _must_be_staged(self, name: str, file: ArtifactFile) -> None:
        if not self._blobs.path(file.digest).is_file():
            raise BytesLacking(
                f"artifact {name!r}: the bytes of {file.path} ({file.digest}) were not staged; "
                "log the artifact again"
            )
