"""Publish one locally stored run to W&B, a step at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from raysweep.errors import TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.metadata import plain
from raysweep.tracking.mirror.run import KEPT_ELSEWHERE
from raysweep.tracking.mirror.run_files import RunFiles, taken
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactFile,
    ArtifactVersion,
    Json,
    RunRecord,
)
from raysweep.tracking.programs import OUTPUT, is_clients, is_programs, notes, sent_files, spec_of
from raysweep.tracking.store import Row
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.program import ProgramRun, as_logged
from raysweep.tracking.wandb.run import WandbRun
from raysweep.tracking.wandb.tracker import WandbTracker


class Versions(Protocol):
    """Maps local versions to versions in W&B; see `publish.Publisher`."""

    def there(self, ref: str) -> str:
        """Return W&B's reference. Raises TrackingError if W&B does not have it."""
        ...

    def md5s(self, local: ArtifactVersion) -> Mapping[str, str]:
        """Map each path to its MD5 in base 64, as in W&B's manifests."""
        ...

    def remember(self, local: ArtifactVersion, ref: str) -> None:
        """Record that W&B has it as `ref`."""
        ...


class RunSender:
    """Sends what W&B lacks of `record`; opens the run in W&B only if there is something to send."""

    def __init__(
        self,
        record: RunRecord,
        store: TrackioStore,
        there: WandbTracker,
        versions: Versions,
        printed: Callable[[RunRecord], str] = lambda record: "",
    ) -> None:
        """Ask W&B what it has of the run. `printed` returns what it printed: its console there, if
        W&B has nothing of the run yet."""
        self._printed = printed
        self._record = record
        self._store = store
        self._there = there
        self._versions = versions
        self._files = RunFiles(store, record.id)
        self._rows = merged(store.rows(record.id))
        self._remote = there.find_run(record.id)
        found = there.keys_by_step(record.id) if self._remote else {}
        self._last = max(found, default=-1)
        self._used: list[str] = []
        self._run: WandbRun | None = None
        self.lacking = [
            row.step
            for row in self._rows
            if row.step <= self._last and row_keys(row) - found.get(row.step, set())
        ]
        """Steps of which W&B has only a part: it accepts no more rows for them."""

    def use(self, refs: Iterable[str]) -> None:
        """Declare inputs (local versions); send them at once if the run is open."""
        new = [self._versions.there(ref) for ref in refs]
        self._used += new
        if self._run is not None:
            self._send_uses(self._run, new)

    def log(self, ref: str) -> None:
        """Send the version, unless the run in W&B has logged it already."""
        version = self._store.artifact(ref)
        if is_clients(version.type):  # a table of a row: the row brings it
            return
        same = self._same_version(version, self._remote.logged if self._remote else ())
        if same is None:
            same = self._send_version(self._opened(), version)
        self._versions.remember(version, same)

    def end(self, *, of_another_group: bool) -> tuple[str | None, bool]:
        """Send the rest. Returns the run's URL, and whether anything was sent.

        Of a run of another sweep only its outputs are sent: it may be a colleague's run, copied
        here for them, and only its owner may end it.
        """
        local, remote = self._record, self._remote
        if self._run is None and remote is not None:
            enough = of_another_group and bool(local.logged)
            if enough or self._is_whole(remote):
                return remote.url, False
        run = self._opened()
        if isinstance(run, ProgramRun):
            self._send_files(run)
        elif remote is None:
            run.log_output(self._printed(local))
        run.summarize(local.summary)
        run.finish(local.state, local.error)
        return run.url, True

    def give_up(self) -> None:
        """Close a run that cannot be sent completely, so that W&B does not show it as running."""
        if self._run is not None:
            with suppress(TrackingError):
                self._run.finish("failed", KEPT_ELSEWHERE)

    def _opened(self) -> WandbRun:
        """Return the run, started in W&B, with its rows and its inputs so far."""
        if self._run is None:
            spec = spec_of(self._record)
            self._run = self._there.start_run(spec)
            if isinstance(self._run, ProgramRun):
                self._there.describe_run(self._run, spec)
                self._send_output(self._run)
            for row in self._rows:
                if row.step > self._last and isinstance(self._run, ProgramRun):
                    self._run.log_program_row(row, self._files.table)
                elif row.step > self._last:
                    self._run.log_row(row)
            self._send_uses(self._run, self._used)
        return self._run

    def _send_uses(self, run: WandbRun, refs: Sequence[str]) -> None:
        known = self._remote.used if self._remote else ()
        for ref in refs:
            if ref not in known:
                run.use_artifact(ref)

    def _send_output(self, run: ProgramRun) -> None:
        """Send what the program printed, unless W&B was told while it ran."""
        if self._remote is None:
            run.log_output(self._files.text(OUTPUT))

    def _send_files(self, run: ProgramRun) -> None:
        there = self._there.file_sizes(run.id) if self._remote is not None else {}
        files = [f for f in self._sent_files() if there.get(f.path) != f.size_bytes]
        self._files.sent_by(run.log_files, files)

    def _sent_files(self) -> list[ArtifactFile]:
        return sent_files(self._store.files(self._record.id))

    def _send_version(self, run: WandbRun, version: ArtifactVersion) -> str:
        """Send the files; first check each against its local digest."""
        if isinstance(run, ProgramRun) and notes(version) and version.dropped is None:
            with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
                return run.log_version(version, taken(self._store, version, Path(scratch))).ref
        if version.dropped is not None:  # its record alone, for the lineage
            note = f"{version.description} (its bytes were dropped by {version.dropped})"
            draft = ArtifactDraft(version.name, version.type, note, version.metadata, {})
            return run.log_artifact(draft).ref
        with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
            folder = Path(scratch) / "files"
            TrackioTracker(self._store).download(version.ref, folder)
            names = [file.path for file in version.files if file.path != METADATA_FILE]
            draft = ArtifactDraft(
                version.name,
                version.type,
                version.description,
                version.metadata,
                {name: safe_join(folder, name, version.ref) for name in names},
            )
            return run.log_artifact(draft).ref

    def _same_version(self, local: ArtifactVersion, refs: Sequence[str]) -> str | None:
        """Find the version in W&B with the same files."""
        expected = self._versions.md5s(local)
        for ref in refs:
            if ref.startswith(f"{local.name}:"):
                found = files_of(self._there.artifact(ref))
                lean = local.dropped is not None  # W&B may have the bytes, or only the record
                if found == expected or (lean and expected.items() <= found.items()):
                    return ref
        return None

    def _is_whole(self, remote: RunRecord) -> bool:
        """Whether W&B has the run's end, rows, summary and inputs; its outputs are sent already."""
        local = self._record
        if is_programs(local):
            there = self._there.file_sizes(local.id)
            if any(there.get(file.path) != file.size_bytes for file in self._sent_files()):
                return False
            if remote.name != local.name or not set(local.tags) <= set(remote.tags):
                return False
        return (
            (remote.state, remote.error) == (local.state, local.error)
            and self._last >= max((row.step for row in self._rows), default=-1)
            and set(self._used) <= set(remote.used)
            and holds(remote.summary, sent_summary(local))
        )


def merged(rows: Sequence[Row]) -> list[Row]:
    """Merge rows to one per step."""
    found: dict[int, Row] = {}
    for row in rows:
        before = found.get(row.step, Row(row.id, row.step))
        metrics, media = {**before.metrics, **row.metrics}, {**before.media, **row.media}
        found[row.step] = Row(before.id, row.step, metrics, media)
    return list(found.values())


def row_keys(row: Row) -> set[str]:
    """Return the keys of the row's metrics and media that its program logged."""
    logged = as_logged({**row.metrics, **row.media})
    return {k for k, value in logged.items() if value is not None and not k.startswith("_")}


def sent_summary(record: RunRecord) -> dict[str, Json]:
    """Return the summary without what a program's client says of itself, and without media."""
    return {
        key: value
        for key, value in record.summary.items()
        if not key.startswith("_") and not (isinstance(value, dict) and "_type" in value)
    }


def holds(there: Mapping[str, Json], here: Mapping[str, Json]) -> bool:
    """Whether W&B's summary contains the local one; W&B adds each metric's last value."""
    remote, local = plain(there), plain(here)  # NaN equals itself only as a string
    return all(remote.get(key) == value for key, value in local.items() if value is not None)


def files_of(version: ArtifactVersion) -> dict[str, str]:
    """Map each path to its digest."""
    return {file.path: file.digest for file in version.files}
