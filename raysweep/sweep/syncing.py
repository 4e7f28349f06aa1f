"""`sync`: send a stored sweep to W&B. Without Ray or torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from raysweep.config.yaml import read_mapping
from raysweep.errors import TrackingError, UserError
from raysweep.storage.claim import reclaimed
from raysweep.storage.journal import read_journal
from raysweep.storage.past import Past
from raysweep.storage.reading import StoredSweep
from raysweep.storage.run_logs import RunLogs
from raysweep.storage.storage import Storage
from raysweep.sweep import in_wandb
from raysweep.tracking import ArtifactVersion, RunRecord, connect, where_the_key_is
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.links import links, unsent
from raysweep.tracking.mirror.tracker import MirroredTracker
from raysweep.tracking.publish.publish import Published, Publisher, RunPublished
from raysweep.trials.workloads import workload_named

if TYPE_CHECKING:
    from raysweep.tracking.wandb.tracker import WandbTracker

MOST_PRINTED = 4_000_000
"""Bytes of a run's log that are sent, from its end; the whole of it is in the sweep's folder."""

OF_RUNS = {
    "load": "load",
    "preprocess": "preprocess",
    "initialize": "initialize",
    "report": "evaluate",
}
"""How the id of a run that is no trial begins → its log."""


@dataclass(frozen=True)
class Synced:
    """What `sync` did. `published`: which runs and versions W&B has now."""

    sweep: str
    url: str
    published: Published

    def to_json(self) -> dict[str, Any]:
        found = self.published
        return {
            "sweep": self.sweep,
            "url": self.url,
            "runs": {"sent": found.sent, "there": found.there},
            "artifacts": found.versions,
            "aliases": found.aliases,
            "lacking": found.lacking,
            "stays": found.stays,
            "records_only": found.records_only,
        }


def sync_sweep(
    storage: Path | Storage,
    name: str | None = None,
    tell: Callable[[RunPublished], None] = lambda event: None,
    environ: Mapping[str, str] = os.environ,
    promote: str | None = None,
) -> Synced:
    """Send the named sweep, or the latest, to W&B, with its whole ancestry.

    Idempotent: a repeated call continues where an earlier one was cut short. `promote`: as
    `tracking.promote`, of `best` in W&B, instead of what the sweep was asked for. Raises UserError
    if there is no such sweep, it is still running, or W&B cannot be reached; TrackingError if W&B
    fails, or refuses a run (the other runs are sent nevertheless).
    """
    from raysweep.tracking.trackio.store import TrackioStore
    from raysweep.tracking.wandb.settings import UserSettings
    from raysweep.tracking.wandb.tracker import WandbTracker

    stored = StoredSweep.find(storage, name)
    if where_the_key_is(environ) is None:
        raise UserError(
            "sync: needs a W&B key and none is configured; run `wandb login` or set WANDB_API_KEY"
        )
    record = stored.record
    with _alone(stored), reclaimed(stored.folder):
        url = connect(record.project, record.entity, f"; {record.name} is kept here as it is")
        stored.fetch_upstream()
        store = TrackioStore(stored.storage.tracker, record.project)
        store.close_stale(record.name)
        settings = UserSettings.of(environ, stored.folder.path)
        there = WandbTracker(record.project, record.entity, settings)
        no_page = _open_page(stored, there, store.runs())
        refs = _refs_here(stored)
        publisher = Publisher(store, there, _stays(stored, promote), _printed(stored))
        published = publisher.publish(record.name, tell)
        published.stays += [no_page] if no_page else []
        _note_in_result(stored, url, refs, published)
    if published.refused:
        raise _refused(published)
    return Synced(record.name, url, published)


def _printed(stored: StoredSweep) -> Callable[[RunRecord], str]:
    """Return a function that gives what a run of the sweep printed, of much the end; "" for a run
    of another sweep."""
    logs = RunLogs(stored)
    sizes, sweep = logs.sizes(), f"{stored.record.id}-"

    def printed(run: RunRecord) -> str:
        name = run.id.removeprefix(sweep)
        log = OF_RUNS.get(name.partition("-")[0], name)
        if not run.id.startswith(sweep) or not sizes.get(log):
            return ""
        with logs.path(log).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_PRINTED))
            text = file.read()
        if size > MOST_PRINTED:
            text = text[text.find(b"\n") + 1 :]
        return text.decode("utf-8", "replace")

    return printed


def _open_page(stored: StoredSweep, there: WandbTracker, runs: list[RunRecord]) -> str | None:
    """As `run` does."""
    try:
        in_wandb.attach(there, stored.folder, read_mapping(stored.folder.config), runs)
    except TrackingError as error:
        return f"the sweep has no page of its own: {error}"
    return None


@contextmanager
def _alone(stored: StoredSweep) -> Iterator[None]:
    """Allow one sync per storage at a time: two could both create the same version in W&B."""
    if not stored.storage.tracker.is_dir():
        raise UserError(
            f"--storage {stored.storage.shown}: its tracker folder is not there, so nothing is "
            "kept that could be sent"
        )
    lock = FileLock(stored.storage.tracker / "sync.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"--storage {stored.storage.shown}: another sync is running; wait for its end"
        ) from None
    except OSError as error:
        raise UserError(
            f"--storage {stored.storage.shown}: cannot be written ({error.strerror}); sync notes "
            "there what it sent"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _stays(
    stored: StoredSweep, promote: str | None
) -> Callable[[ArtifactVersion, ArtifactVersion], str | None]:
    """Decide about the alias `best` as the sweep itself does: see `Workload.keeps_best`."""
    then = read_mapping(stored.folder.config).get("tracking", {}).get("promote")
    asked = promote or Past(read_journal(stored.folder.journal)).promote or then
    keeps = workload_named(stored.record.kind).keeps_best
    return (lambda mine, holder: None) if asked == "always" else keeps


def _refused(published: Published) -> TrackingError:
    """Make the error: the first cause, and all runs that W&B does not have completely, which are
    the refused ones and those that used their outputs."""
    cause, names = next(iter(published.refused.values())), ", ".join(published.refused)
    return TrackingError(f"{cause}; not in W&B as a whole, unlike the others: {names}")


def _refs_here(stored: StoredSweep) -> dict[str, str]:
    """Map the references in the result of a sweep in W&B to the local versions."""
    result = stored.folder.result()
    if result is None or stored.record.tracker != "wandb":
        return {}
    model = (result["best"] or {}).get("artifact")  # without a metric there is no best
    named = [] if model is None else [model]
    named += [f"{name}:{version}" for name, version in result["artifacts"].items()]
    tracker = stored.tracker()
    assert isinstance(tracker, MirroredTracker)
    try:
        kept = {ref: tracker.numbering.kept(ref) for ref in named}
    finally:
        tracker.close()
    return {ref: version.ref for ref, version in kept.items() if version is not None}


def _note_in_result(
    stored: StoredSweep, url: str, refs: Mapping[str, str], published: Published
) -> None:
    """Update the sweep's result with its pages in W&B and its versions there."""
    result = stored.folder.result()
    if result is None:
        return

    def there(ref: str) -> str:
        return published.versions.get(refs.get(ref, ""), ref)

    record, best = stored.record, result["best"]
    tracker = stored.tracker()
    try:
        sweep = SweepIdentity(record.name, record.id)
        pages = {"project": url, **in_wandb.link(stored.folder)}
        result["links"] = links(tracker, sweep, best["trial"] if best else None) | pages
        result["unsent"] = list(unsent(tracker, sweep))
    finally:
        tracker.close()
    if best is not None and (before := best["artifact"]) is not None:
        best["artifact"] = there(before)
        if said := result.get("promotion"):  # not in a result of an earlier raysweep
            result["promotion"] = re.sub(rf"{re.escape(before)}\b", best["artifact"], said)
    result["artifacts"] = {
        name: there(f"{name}:{version}").rpartition(":")[2]
        for name, version in result["artifacts"].items()
    }
    stored.folder.write_result(result)
