"""Runs that are kept here, brought to W&B: whole, once, and in the order of their lineage.

A run is started there under its own id, so a second attempt continues it; what W&B has of it is
asked of W&B, and no record of the way is kept here. W&B identifies a version by its files, which
hold its metadata: logged again, it is the version that is there already. So whoever was killed at
any point goes on, and a second time changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.blobs import read_chunks
from raysweep.tracking.embedded import TrackioTracker
from raysweep.tracking.metadata import plain
from raysweep.tracking.mirror import MirroredTracker
from raysweep.tracking.mirror_names import version_there
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactVersion,
    Json,
    RunRecord,
    RunSpec,
)
from raysweep.tracking.store import Row
from raysweep.tracking.trackio_store import TrackioStore
from raysweep.tracking.wandb_run import WandbRun
from raysweep.tracking.wandb_tracker import WandbTracker

_LAST = ("best", "latest")
"""Aliases that move when all else is there: whoever follows them sees a whole graph."""


@dataclass(frozen=True)
class RunPublished:
    """A run is in W&B, whole. `sent` says whether anything of it was lacking there."""

    run: RunRecord
    url: str | None
    sent: bool
    done: int
    total: int


@dataclass
class Published:
    """What came of a group: run ids, versions here → versions there, steps that W&B has in part."""

    group: str
    sent: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, list[int]] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)


def in_order(records: Sequence[RunRecord], group: str) -> list[RunRecord]:
    """The group's runs and all that they came from, producers first, versions in their order.

    `records` are all runs of the project, oldest first. A trial may be older than the stage that
    made what it used: it asks for its model after it has started.
    """
    producers: dict[str, RunRecord] = {}
    for record in records:
        for ref in record.logged:
            producers.setdefault(ref, record)
    ordered: dict[str, RunRecord] = {}

    def visit(record: RunRecord) -> None:
        if record.id in ordered or record.id in on_the_way:
            return
        on_the_way.add(record.id)
        for ref in record.used:
            if ref in producers:
                visit(producers[ref])
        ordered[record.id] = record

    on_the_way: set[str] = set()
    for record in sorted((r for r in records if r.group == group), key=_first_version):
        visit(record)
    return list(ordered.values())


def _first_version(record: RunRecord) -> int:
    """Runs that logged nothing come last; among equals, the older one first."""
    numbers = [int(ref.rpartition(":v")[2]) for ref in record.logged]
    return min(numbers, default=2**31)


class Publisher:
    """Brings runs of the embedded `store` to W&B, in the same process."""

    def __init__(self, store: TrackioStore, there: WandbTracker) -> None:
        self._store = store
        self._here = TrackioTracker(store)
        self._there = there
        self._mirror = MirroredTracker(self._here, there)
        self._md5s: dict[str, Mapping[str, str]] = {}

    def publish(self, group: str, tell: Callable[[RunPublished], None]) -> Published:
        """All runs of the group, with what they came from. Raises TrackingError where W&B fails."""
        runs = in_order(self._store.runs(), group)
        outcome = Published(group)
        for number, record in enumerate(runs, start=1):
            url, sent = self._publish_run(record, outcome)
            (outcome.sent if sent else outcome.there).append(record.id)
            if url:
                outcome.urls[record.id] = url
                self._store.set_url(record.id, url)
            tell(RunPublished(record, url, sent, number, len(runs)))
        self._publish_aliases(outcome)
        for mine, theirs in outcome.versions.items():
            self._verify(self._store.artifact(mine), self._there.artifact(theirs))
        return outcome

    def _publish_run(self, record: RunRecord, outcome: Published) -> tuple[str | None, bool]:
        """Where W&B shows the run, and whether anything was sent."""
        rows = _merged(self._store.rows(record.id))
        theirs = self._there.find_run(record.id)
        found = self._there.keys_by_step(record.id) if theirs else {}
        last = max(found, default=-1)
        if theirs is not None:
            lacking = [
                row.step
                for row in rows
                if row.step <= last and _keys(row) - found.get(row.step, set())
            ]
            if lacking:
                outcome.lacking[record.id] = lacking
            if self._is_whole(record, theirs, [row.step for row in rows], last, outcome):
                return theirs.url, False
        run = self._there.start_run(_spec(record))
        for row in rows:
            if row.step > last:
                run.log_row(row)
        for ref in record.used:
            run.use_artifact(self._version_there(ref, outcome))
        for ref in record.logged:
            self._log_version(run, self._store.artifact(ref), outcome)
        run.summarize(record.summary)
        run.finish(record.state, record.error)
        return run.url, True

    def _is_whole(
        self,
        mine: RunRecord,
        theirs: RunRecord,
        steps: Sequence[int],
        last: int,
        outcome: Published,
    ) -> bool:
        """Whether W&B has all of the run: its end, its rows, its summary, its edges.

        Of another sweep's, what it made is enough: it may be a colleague's, brought here for that,
        and how it ended is not ours to say.
        """
        used = {self._version_there(ref, outcome) for ref in mine.used}
        logged = [self._store.artifact(ref) for ref in mine.logged]
        found = [(version, self._same_version(version, theirs.logged)) for version in logged]
        for version, ref in found:
            if ref is not None:
                self._remember(version, ref, outcome)
        if mine.group != outcome.group and mine.logged and all(ref is not None for _, ref in found):
            return True
        return (
            (theirs.state, theirs.error) == (mine.state, mine.error)
            and last >= max(steps, default=-1)
            and used <= set(theirs.used)
            and all(ref is not None for _, ref in found)
            and _holds(theirs.summary, mine.summary)
        )

    def _same_version(self, mine: ArtifactVersion, refs: Sequence[str]) -> str | None:
        """The one of W&B's versions with the same files."""
        for ref in refs:
            same_name = ref.startswith(f"{mine.name}:")
            if same_name and _files(self._there.artifact(ref)) == self._md5s_of(mine):
                return ref
        return None

    def _version_there(self, ref: str, outcome: Published) -> str:
        """W&B's reference of a version here, which its producer has published before."""
        if ref not in outcome.versions:
            raise TrackingError(
                f"artifact {ref}: was logged by something else than raysweep, which cannot publish "
                "it; log it to W&B with what made it"
            )
        return outcome.versions[ref]

    def _log_version(self, run: WandbRun, version: ArtifactVersion, outcome: Published) -> None:
        """Send the files; each is checked against its digest here before."""
        with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
            folder = Path(scratch) / "files"
            self._here.download(version.ref, folder)
            names = [file.path for file in version.files if file.path != METADATA_FILE]
            draft = ArtifactDraft(
                version.name,
                version.type,
                version.description,
                version.metadata,
                {name: safe_join(folder, name, version.ref) for name in names},
            )
            self._remember(version, run.log_artifact(draft).ref, outcome)

    def _remember(self, mine: ArtifactVersion, ref: str, outcome: Published) -> None:
        outcome.versions[mine.ref] = ref
        if version_there(mine, self._mirror.scope) != ref.rpartition(":")[2]:
            self._mirror.note(mine, ref.rpartition(":")[2])

    def _publish_aliases(self, outcome: Published) -> None:
        """Those of the versions published, `best` and `latest` last."""
        wanted: list[tuple[str, str]] = []
        for mine, theirs in outcome.versions.items():
            version = self._mirror.presented(self._store.artifact(mine))
            wanted += [(alias, theirs) for alias in version.aliases]
        for alias, ref in sorted(wanted, key=lambda pair: (pair[0] in _LAST, pair)):
            if alias not in self._there.artifact(ref).aliases and self._may_take(
                alias, ref, outcome
            ):
                self._there.set_alias(ref, alias)
                outcome.aliases.append(f"{ref} {alias}")

    def _may_take(self, alias: str, ref: str, outcome: Published) -> bool:
        """`best` and `latest` are not taken from a newer version: others use the project, too."""
        name, _, version = ref.partition(":")
        if alias not in _LAST:
            return True
        try:
            holder = self._there.artifact(f"{name}:{alias}")
        except ArtifactNotFound:
            return True
        ours = holder.ref in outcome.versions.values()
        return ours or int(holder.version[1:]) < int(version[1:])

    def _verify(self, mine: ArtifactVersion, theirs: ArtifactVersion) -> None:
        """Raise TrackingError unless W&B has the very files."""
        expected, found = self._md5s_of(mine), _files(theirs)
        for path in sorted(expected.keys() | found.keys()):
            if expected.get(path) != found.get(path):
                raise TrackingError(
                    f"{theirs.ref}, file {path}: W&B has MD5 {found.get(path)}, and the file here "
                    f"(of {mine.ref}) has {expected.get(path)}; delete that version there, and "
                    "sync again"
                )

    def _md5s_of(self, version: ArtifactVersion) -> Mapping[str, str]:
        """Path → MD5 in base 64, as W&B's manifests have it."""
        if version.ref not in self._md5s:
            self._md5s[version.ref] = {
                file.path: _md5(Path(self._store.blob_path(file.digest))) for file in version.files
            }
        return self._md5s[version.ref]


def _merged(rows: Sequence[Row]) -> list[Row]:
    """One row a step, of all that was logged for it."""
    merged: dict[int, Row] = {}
    for row in rows:
        before = merged.get(row.step, Row(row.id, row.step))
        metrics, media = {**before.metrics, **row.metrics}, {**before.media, **row.media}
        merged[row.step] = Row(before.id, row.step, metrics, media)
    return list(merged.values())


def _keys(row: Row) -> set[str]:
    return {*row.metrics, *row.media}


def _spec(record: RunRecord) -> RunSpec:
    return RunSpec(
        record.id, record.name, record.job_type, record.group, record.config, record.tags
    )


def _holds(there: Mapping[str, Json], here: Mapping[str, Json]) -> bool:
    """Whether the summary there has all of the one here; it has each metric's last value, too."""
    theirs, mine = plain(there), plain(here)  # NaN equals itself only as a word
    return all(theirs.get(key) == value for key, value in mine.items() if value is not None)


def _files(version: ArtifactVersion) -> dict[str, str]:
    return {file.path: file.digest for file in version.files}


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in read_chunks(path):
        md5.update(chunk)
    return base64.b64encode(md5.digest()).decode()
