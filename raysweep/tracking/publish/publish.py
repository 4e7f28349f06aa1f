"""Runs that are kept here, brought to W&B: whole, once, and in the order of their lineage.

A run is started there under its own id, so a second attempt continues it; what W&B has of it is
asked of W&B, and no record of the way is kept here. W&B identifies a version by its files, which
hold its metadata: logged again, it is the version that is there already. So whoever was killed at
any point goes on, and a second time changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.errors import ArtifactNotFound, StoreFailed, TrackingError
from raysweep.tracking.blobs import read_chunks
from raysweep.tracking.mirror.connection import is_lost
from raysweep.tracking.mirror.names import version_there
from raysweep.tracking.mirror.numbering import Numbering
from raysweep.tracking.port import ArtifactVersion, RunRecord
from raysweep.tracking.publish.order import Step, steps
from raysweep.tracking.publish.run import RunSender, files_of
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

_LAST = ("best", "latest")
"""Aliases that move when all else is there: whoever follows them sees a whole graph."""

MayTakeBest = Callable[[ArtifactVersion, ArtifactVersion], str | None]
"""Called with a model and W&B's present `best`: why `best` stays there, or None."""


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
    """What came of a group: run ids, versions here → versions there, steps that W&B has in part.

    `refused` maps the names of runs that W&B does not have whole to why. `stays` says why `best`
    was not moved, a line each.
    """

    group: str
    sent: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, list[int]] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)


class Publisher:
    """Brings runs of the embedded `store` to W&B, in the same process."""

    def __init__(
        self,
        store: TrackioStore,
        there: WandbTracker,
        keeps_best: MayTakeBest = lambda mine, holder: None,
    ) -> None:
        self._store = store
        self._there = there
        self._keeps_best = keeps_best
        self._numbering = Numbering(TrackioTracker(store), there.scope)
        self._md5s: dict[str, Mapping[str, str]] = {}

    def publish(self, group: str, tell: Callable[[RunPublished], None]) -> Published:
        """Send all runs of the group, with what they came from, in the order of their events.

        A run that W&B refuses, in part or whole, is noted under `refused`, with those that used
        what it was to log; the others go on. Raises TrackingError where W&B cannot be reached.
        """
        records = {record.id: record for record in self._store.runs()}
        todo = steps(list(records.values()), group, self._store.events())
        total = len({step.run_id for step in todo})
        outcome = Published(group)
        versions = _Versions(self, outcome)
        senders: dict[str, RunSender] = {}
        for step in todo:
            record = records[step.run_id]
            if record.name in outcome.refused:
                continue
            began = time.monotonic()
            try:
                if step.run_id not in senders:
                    senders[step.run_id] = RunSender(record, self._store, self._there, versions)
                ended = self._take(step, record, senders[step.run_id], outcome)
            except StoreFailed:
                raise
            except TrackingError as error:
                if is_lost(began, self._there.knock):
                    raise
                outcome.refused[record.name] = str(error)
                if step.run_id in senders:
                    senders.pop(step.run_id).give_up()
                continue
            if ended is not None:
                del senders[step.run_id]
                url, sent = ended
                done = len(outcome.sent) + len(outcome.there)
                tell(RunPublished(record, url, sent, done, total))
        self._publish_aliases(outcome)
        for mine, theirs in outcome.versions.items():
            self._verify(self._store.artifact(mine), self._there.artifact(theirs))
        return outcome

    def _take(
        self, step: Step, record: RunRecord, sender: RunSender, outcome: Published
    ) -> tuple[str | None, bool] | None:
        """Take one step. At the run's end: where W&B shows it, and whether anything was sent."""
        sender.use(step.uses)
        if step.ref is not None:
            sender.log(step.ref)
            return None
        url, sent = sender.end(of_another_group=record.group != outcome.group)
        (outcome.sent if sent else outcome.there).append(record.id)
        if sender.lacking:
            outcome.lacking[record.id] = sender.lacking
        if url:
            self._store.set_url(record.id, url)
        return url, sent

    def md5s(self, mine: ArtifactVersion) -> Mapping[str, str]:
        """Path → MD5 in base 64, as W&B's manifests have it."""
        if mine.ref not in self._md5s:
            self._md5s[mine.ref] = {
                file.path: _md5(Path(self._store.blob_path(file.digest))) for file in mine.files
            }
        return self._md5s[mine.ref]

    def note(self, mine: ArtifactVersion, ref: str) -> None:
        """Remember in the store which version of W&B's it is."""
        if version_there(mine, self._there.scope) != ref.rpartition(":")[2]:
            self._numbering.note(mine, ref.rpartition(":")[2])

    def _publish_aliases(self, outcome: Published) -> None:
        """Those of the versions published, `best` and `latest` last."""
        wanted: list[tuple[str, str, ArtifactVersion]] = []
        for mine, theirs in outcome.versions.items():
            version = self._numbering.presented(self._store.artifact(mine))
            wanted += [(alias, theirs, version) for alias in version.aliases]
        for alias, ref, version in sorted(wanted, key=lambda each: (each[0] in _LAST, each[:2])):
            if alias not in self._there.artifact(ref).aliases and self._may_take(
                alias, ref, version, outcome
            ):
                self._there.set_alias(ref, alias)
                outcome.aliases.append(f"{ref} {alias}")

    def _may_take(self, alias: str, ref: str, mine: ArtifactVersion, outcome: Published) -> bool:
        """`best` and `latest` are not taken from a newer version: others use the project, too."""
        name, _, version = ref.partition(":")
        if alias not in _LAST:
            return True
        try:
            holder = self._there.artifact(f"{name}:{alias}")
        except ArtifactNotFound:
            return True
        if holder.ref in outcome.versions.values():
            return True
        if int(holder.version[1:]) >= int(version[1:]):
            return False
        reason = self._keeps_best(mine, holder) if alias == "best" else None
        outcome.stays += [reason] if reason else []
        return reason is None

    def _verify(self, mine: ArtifactVersion, theirs: ArtifactVersion) -> None:
        """Raise TrackingError unless W&B has the very files."""
        expected, found = self.md5s(mine), files_of(theirs)
        for path in sorted(expected.keys() | found.keys()):
            if expected.get(path) != found.get(path):
                raise TrackingError(
                    f"{theirs.ref}, file {path}: W&B has MD5 {found.get(path)}, and the file here "
                    f"(of {mine.ref}) has {expected.get(path)}; delete that version there, and "
                    "sync again"
                )


class _Versions:
    """See `run.Versions`; of one `publish`."""

    def __init__(self, publisher: Publisher, outcome: Published) -> None:
        self._publisher = publisher
        self._outcome = outcome

    def there(self, ref: str) -> str:
        """W&B's reference of a version here, which its producer has published before."""
        if ref not in self._outcome.versions:
            if self._outcome.refused:
                raise TrackingError(f"artifact {ref}: could not be sent")
            raise TrackingError(
                f"artifact {ref}: was logged by something else than raysweep, which cannot publish "
                "it; log it to W&B with what made it"
            )
        return self._outcome.versions[ref]

    def md5s(self, mine: ArtifactVersion) -> Mapping[str, str]:
        """See Publisher."""
        return self._publisher.md5s(mine)

    def remember(self, mine: ArtifactVersion, ref: str) -> None:
        """Note that W&B has it as `ref`."""
        self._outcome.versions[mine.ref] = ref
        self._publisher.note(mine, ref)


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in read_chunks(path):
        md5.update(chunk)
    return base64.b64encode(md5.digest()).decode()
