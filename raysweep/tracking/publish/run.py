"""One run that is kept here, brought to W&B a step at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from raysweep.errors import TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.metadata import plain
from raysweep.tracking.mirror.run import KEPT_ELSEWHERE
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactVersion,
    Json,
    RunRecord,
    RunSpec,
)
from raysweep.tracking.store import Row
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.run import WandbRun
from raysweep.tracking.wandb.tracker import WandbTracker


class Versions(Protocol):
    """Which version of W&B's each version here is; see `publish.Publisher`."""

    def there(self, ref: str) -> str:
        """W&B's reference. Raises TrackingError where W&B does not have it."""
        ...

    def md5s(self, mine: ArtifactVersion) -> Mapping[str, str]:
        """Path → MD5 in base 64, as W&B's manifests have it."""
        ...

    def remember(self, mine: ArtifactVersion, ref: str) -> None:
        """Note that W&B has it as `ref`."""
        ...


class RunSender:
    """Sends what W&B lacks of `record`: opens the run there when there is something to send."""

    def __init__(
        self, record: RunRecord, store: TrackioStore, there: WandbTracker, versions: Versions
    ) -> None:
        """Asks W&B what it has of the run."""
        self._record = record
        self._store = store
        self._there = there
        self._versions = versions
        self._rows = merged(store.rows(record.id))
        self._theirs = there.find_run(record.id)
        found = there.keys_by_step(record.id) if self._theirs else {}
        self._last = max(found, default=-1)
        self._used: list[str] = []
        self._run: WandbRun | None = None
        self.lacking = [
            row.step
            for row in self._rows
            if row.step <= self._last and row_keys(row) - found.get(row.step, set())
        ]
        """Steps of which W&B has a part only: it takes no more rows of them."""

    def use(self, refs: Iterable[str]) -> None:
        """Declare inputs, versions here; sent at once where the run is open."""
        new = [self._versions.there(ref) for ref in refs]
        self._used += new
        if self._run is not None:
            self._send_uses(self._run, new)

    def log(self, ref: str) -> None:
        """Send the version, unless the run has logged it there already."""
        version = self._store.artifact(ref)
        same = self._same_version(version, self._theirs.logged if self._theirs else ())
        if same is None:
            same = self._send_version(self._opened(), version)
        self._versions.remember(version, same)

    def end(self, *, of_another_group: bool) -> tuple[str | None, bool]:
        """Send the rest. Returns where W&B shows the run, and whether anything was sent.

        Of another sweep's, what it made is enough: it may be a colleague's, brought here for that,
        and how it ended is not ours to say.
        """
        mine, theirs = self._record, self._theirs
        if self._run is None and theirs is not None:
            enough = of_another_group and bool(mine.logged)
            if enough or self._is_whole(theirs):
                return theirs.url, False
        run = self._opened()
        run.summarize(mine.summary)
        run.finish(mine.state, mine.error)
        return run.url, True

    def give_up(self) -> None:
        """Close a run that cannot be sent whole, so that W&B does not show it as running."""
        if self._run is not None:
            with suppress(TrackingError):
                self._run.finish("failed", KEPT_ELSEWHERE)

    def _opened(self) -> WandbRun:
        """The run, started there, with its rows and what it has used so far."""
        if self._run is None:
            self._run = self._there.start_run(spec_of(self._record))
            for row in self._rows:
                if row.step > self._last:
                    self._run.log_row(row)
            self._send_uses(self._run, self._used)
        return self._run

    def _send_uses(self, run: WandbRun, refs: Sequence[str]) -> None:
        known = self._theirs.used if self._theirs else ()
        for ref in refs:
            if ref not in known:
                run.use_artifact(ref)

    def _send_version(self, run: WandbRun, version: ArtifactVersion) -> str:
        """Send the files; each is checked against its digest here before."""
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

    def _same_version(self, mine: ArtifactVersion, refs: Sequence[str]) -> str | None:
        """The one of W&B's versions with the same files."""
        for ref in refs:
            same_name = ref.startswith(f"{mine.name}:")
            if same_name and files_of(self._there.artifact(ref)) == self._versions.md5s(mine):
                return ref
        return None

    def _is_whole(self, theirs: RunRecord) -> bool:
        """Whether W&B has the run's end, rows, summary and uses; what it logged is there."""
        mine = self._record
        return (
            (theirs.state, theirs.error) == (mine.state, mine.error)
            and self._last >= max((row.step for row in self._rows), default=-1)
            and set(self._used) <= set(theirs.used)
            and holds(theirs.summary, mine.summary)
        )


def merged(rows: Sequence[Row]) -> list[Row]:
    """One row a step, of all that was logged for it."""
    found: dict[int, Row] = {}
    for row in rows:
        before = found.get(row.step, Row(row.id, row.step))
        metrics, media = {**before.metrics, **row.metrics}, {**before.media, **row.media}
        found[row.step] = Row(before.id, row.step, metrics, media)
    return list(found.values())


def row_keys(row: Row) -> set[str]:
    """The names of what the row holds."""
    return {*row.metrics, *row.media}


def spec_of(record: RunRecord) -> RunSpec:
    """The spec that starts the run again."""
    return RunSpec(
        record.id, record.name, record.job_type, record.group, record.config, record.tags
    )


def holds(there: Mapping[str, Json], here: Mapping[str, Json]) -> bool:
    """Whether the summary there has all of the one here; it has each metric's last value, too."""
    theirs, mine = plain(there), plain(here)  # NaN equals itself only as a word
    return all(theirs.get(key) == value for key, value in mine.items() if value is not None)


def files_of(version: ArtifactVersion) -> dict[str, str]:
    """Path → digest."""
    return {file.path: file.digest for file in version.files}
