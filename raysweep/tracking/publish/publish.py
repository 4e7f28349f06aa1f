"""Publish locally stored runs to W&B: completely, once, and in the order of their lineage.

Publishing is idempotent and can be retried after a kill at any point. A run is started in W&B under
its own id, so a second attempt continues it. W&B itself is asked what it has; no progress is stored
here. W&B identifies a version by its files, which include its metadata: logging it again returns
the existing version.
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
from raysweep.tracking.programs import references, users_files
from raysweep.tracking.publish.order import Step, own_runs, steps
from raysweep.tracking.publish.run import RunSender, files_of
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

_LAST = ("best", "latest")
"""Aliases that move last, so that a reader who follows them sees a complete graph."""

MayTakeBest = Callable[[ArtifactVersion, ArtifactVersion], str | None]
"""Called with a model and W&B's present `best`; returns why `best` must stay there, or None."""


@dataclass(frozen=True)
class RunPublished:
    """A run is completely in W&B. `sent`: whether anything of it was missing there before."""

    run: RunRecord
    url: str | None
    sent: bool
    done: int
    total: int


@dataclass
class Published:
    """The result for a group: run ids, local version → W&B's version, steps that W&B has in part.

    `own`: ids of the group's runs. `refused` maps the names of runs that W&B does not have
    completely to the reason. `stays` says why `best` was not moved, one line each. `records_only`:
    versions here whose bytes were dropped before they were sent, so that W&B has only their
    records.
    """

    group: str
    own: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, list[int]] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    records_only: list[str] = field(default_factory=list)


class Publisher:
    """Publishes runs of the embedded `store` to W&B, in the same process."""

    def __init__(
        self,
        store: TrackioStore,
        there: WandbTracker,
        keeps_best: MayTakeBest = lambda local, holder: None,
        printed: Callable[[RunRecord], str] = lambda record: "",
    ) -> None:
        """`printed` returns what a run printed."""
        self._store = store
        self._there = there
        self._keeps_best = keeps_best
        self._printed = printed
        self._numbering = Numbering(TrackioTracker(store), there.scope)
        self._md5s: dict[str, Mapping[str, str]] = {}

    def publish(self, group: str, tell: Callable[[RunPublished], None]) -> Published:
        """Send all runs of the group, with their ancestors, in the order of their events.

        A run that W&B refuses, in part or completely, is listed in `refused`, with the runs that
        used its outputs; the others continue. Raises TrackingError if W&B is unreachable.
        """
        records = {record.id: record for record in self._store.runs()}
        todo = steps(list(records.values()), group, self._store.events())
        total = len({step.run_id for step in todo})
        outcome = Published(group, own=own_runs(list(records.values()), group))
        versions = _Versions(self, outcome)
        senders: dict[str, RunSender] = {}
        for step in todo:
            record = records[step.run_id]
            if record.name in outcome.refused:
                continue
            began = time.monotonic()
            try:
                if step.run_id not in senders:
                    senders[step.run_id] = RunSender(
                        record, self._store, self._there, versions, self._printed
                    )
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
        for local, remote in outcome.versions.items():
            version, there = self._store.artifact(local), self._there.artifact(remote)
            self._verify(version, there)
            if len(there.files) < len(users_files(version)) + len(references(version)):
                outcome.records_only.append(local)
        return outcome

    def _take(
        self, step: Step, record: RunRecord, sender: RunSender, outcome: Published
    ) -> tuple[str | None, bool] | None:
        """Publish one step. At the run's end, return its URL and whether anything was sent."""
        sender.use(step.uses)
        if step.ref is not None:
            sender.log(step.ref)
            return None
        url, sent = sender.end(of_another_group=record.id not in outcome.own)
        (outcome.sent if sent else outcome.there).append(record.id)
        if sender.lacking:
            outcome.lacking[record.id] = sender.lacking
        if url:
            self._store.set_url(record.id, url)
        return url, sent

    def md5s(self, local: ArtifactVersion) -> Mapping[str, str]:
        """Map each path to its MD5 in base 64, as in W&B's manifests."""
        if local.ref not in self._md5s:
            kept, users = local.kept_files, users_files(local)
            found = {
                file.path: _md5(Path(self._store.blob_path(file.digest)))
                for file in (kept if local.dropped is not None else users)
            }
            of_references = {path: entry["digest"] for path, entry in references(local).items()}
            self._md5s[local.ref] = found | of_references
        return self._md5s[local.ref]

    def note(self, local: ArtifactVersion, ref: str) -> None:
        """Record its version in W&B in the store."""
        if version_there(local, self._there.scope) != ref.rpartition(":")[2]:
            self._numbering.note(local, ref.rpartition(":")[2])

    def _publish_aliases(self, outcome: Published) -> None:
        """Publish the aliases of the published versions, `best` and `latest` last."""
        wanted: list[tuple[str, str, ArtifactVersion]] = []
        for local, remote in outcome.versions.items():
            version = self._numbering.presented(self._store.artifact(local))
            wanted += [(alias, remote, version) for alias in version.aliases]
        for alias, ref, version in sorted(wanted, key=lambda each: (each[0] in _LAST, each[:2])):
            if alias not in self._there.artifact(ref).aliases and self._may_take(
                alias, ref, version, outcome
            ):
                self._there.set_alias(ref, alias)
                outcome.aliases.append(f"{ref} {alias}")

    def _may_take(self, alias: str, ref: str, local: ArtifactVersion, outcome: Published) -> bool:
        """Whether the alias may move: `best` and `latest` stay on a newer version, which others may
        have published."""
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
        reason = self._keeps_best(local, holder) if alias == "best" else None
        outcome.stays += [reason] if reason else []
        return reason is None

    def _verify(self, local: ArtifactVersion, remote: ArtifactVersion) -> None:
        """Raise TrackingError unless W&B has the same files."""
        expected, found = self.md5s(local), files_of(remote)
        paths = expected.keys() if local.dropped is not None else expected.keys() | found.keys()
        for path in sorted(paths):
            if expected.get(path) != found.get(path):
                raise TrackingError(
                    f"{remote.ref}, file {path}: W&B has MD5 {found.get(path)}, and the file here "
                    f"(of {local.ref}) has {expected.get(path)}; delete that version there, and "
                    "sync again"
                )


class _Versions:
    """Implements `run.Versions` for one call of `publish`."""

    def __init__(self, publisher: Publisher, outcome: Published) -> None:
        self._publisher = publisher
        self._outcome = outcome

    def there(self, ref: str) -> str:
        """Return W&B's reference of a local version, which its producer has published before."""
        if ref not in self._outcome.versions:
            if self._outcome.refused:
                raise TrackingError(f"artifact {ref}: could not be sent")
            raise TrackingError(
                f"artifact {ref}: was not logged by raysweep, so raysweep cannot publish it; "
                "log it to W&B with the program that made it"
            )
        return self._outcome.versions[ref]

    def md5s(self, local: ArtifactVersion) -> Mapping[str, str]:
        """See Publisher."""
        return self._publisher.md5s(local)

    def remember(self, local: ArtifactVersion, ref: str) -> None:
        """Record that W&B has it as `ref`."""
        self._outcome.versions[local.ref] = ref
        self._publisher.note(local, ref)


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in read_chunks(path):
        md5.update(chunk)
    return base64.b64encode(md5.digest()).decode()
