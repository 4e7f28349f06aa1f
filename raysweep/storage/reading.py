"""Read an existing sweep without Ray: its folder, its record and its tracker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.config.yaml import read_mapping
from raysweep.errors import ArtifactNotFound, TrackingError, UserError
from raysweep.invocation import program
from raysweep.paths import safe_join
from raysweep.selection import NOTHING_CHOSEN
from raysweep.storage.claim import is_driven
from raysweep.storage.journal import read_journal
from raysweep.storage.past import Past
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import ArtifactVersion, Lineage, Tracker
from raysweep.tracking.folder import detach
from raysweep.tracking.winners import (
    download,
    download_files,
    left_files,
    models_of,
    saved_files,
)

if TYPE_CHECKING:
    from raysweep.tracking.trackio.store import TrackioStore


@dataclass(frozen=True)
class StoredSweep:
    """One sweep of a storage."""

    folder: SweepFolder
    record: SweepRecord
    storage: Storage

    @staticmethod
    def find(storage: Path | Storage, name: str | None) -> StoredSweep:
        """Find the named sweep, or the latest. Raises UserError if there is none."""
        place = storage if isinstance(storage, Storage) else Storage(storage)
        folder = place.find(name)
        return StoredSweep(folder, folder.record(), place)

    def result(self) -> dict[str, Any]:
        """Return its `result.json`. Raises UserError for a sweep that has not ended."""
        result = self.folder.result()
        if result is None:
            option = self.storage.option
            raise UserError(
                f"{self.record.name}: has no best yet; if it is not running, resume it with "
                f"`{program()} resume {self.record.name}{option}` (`--retry-failed` runs failed "
                f"trials again); see `{program()} list{option}`"
            )
        return result

    def with_best(self) -> Mapping[str, Any]:
        """Return the result. Raises UserError where nothing was chosen as best."""
        result = self.result()
        if result["best"] is None:
            raise UserError(
                f"{self.record.name}: {NOTHING_CHOSEN}; see its trials with "
                f"`{program()} show {self.record.name}{self.storage.option}`"
            )
        return result

    def best(self) -> str:
        """Return the reference of the winner's model. Raises UserError where there is none."""
        ref: str | None = self.with_best()["best"]["artifact"]
        if ref is None:
            raise UserError(f"{self.record.name}: its best trial logged no model")
        return ref

    def failed(self) -> list[int]:
        """List its failed trials, by their index in the sweep."""
        return Past(read_journal(self.folder.journal)).failed()

    def fast_start(self) -> bool:
        """Return `resources.fast_start` of its config; true if that cannot be read."""
        try:
            resources = read_mapping(self.folder.config).get("resources", {})
            return resources.get("fast_start") is not False
        except (UserError, AttributeError):  # `resume` says what is wrong with it
            return True

    def tracker(self) -> Tracker:
        """Open the tracker that recorded it, in this process."""
        return tracker_for_reading(self.record, self.storage)

    def lineage(self, ref: str) -> Lineage:
        """Return the ancestors and descendants of `ref`."""
        tracker = self.tracker()
        try:
            return tracker.lineage(ref)
        finally:
            tracker.close()

    def download_best(self, folder: Path) -> str:
        """Copy the winner's files into `folder` and verify them; return the versions' references. A
        program's winner may have logged several models, each of which gets a folder there, or only
        have saved files."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--download {folder}: exists and is not empty; name a new folder")
        if self.record.kind == "program":
            refs = self._download_programs(folder)
        else:
            refs = [self.download(self.best(), folder).ref]
        try:
            detach(folder)
        except TrackingError:  # whole or not at all, its own bytes included
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return ", ".join(refs)

    def _download_programs(self, folder: Path) -> list[str]:
        """Write the winner's models; where it logged none, the files that it saved or left in
        `wandb.run.dir`, or else what it left in its folder."""
        trial = self.with_best()["best"]["trial"]
        run_id = f"{self.record.id}-{trial}"
        with closing(self.tracker()) as tracker:
            models = [model.ref for model in models_of(tracker, tracker.run(run_id))]
            if models:
                self._fetch(models)
                download(tracker, models, folder)
                return models
        store, own = kept_store(self.record, self.storage), safe_join(self.folder.trials, trial)
        files, left = saved_files(store, run_id), left_files(own, run_id)
        if files or left:
            if self.storage.origin is not None:
                digests = [file.digest for file in files]
                self.storage.origin.blobs(self.record.project, digests)
            download_files(store, run_id, files, left, folder)
        elif own.is_dir():
            shutil.copytree(own, folder, symlinks=True, dirs_exist_ok=True)
        else:
            raise UserError(f"{self.record.name}: its best, {trial}, logged no model, and no file")
        return []

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """Write the files of `ref`, each checked, into the new `folder`, to be read only. Raises
        ArtifactNotFound."""
        self._fetch([ref])
        tracker = self.tracker()
        try:
            return tracker.download(ref, folder)
        finally:
            tracker.close()

    def fetch_upstream(self) -> None:
        """For a storage at a URI: download the files of all that the sweep made, of their
        ancestors, and the pictures of those runs."""
        if self.storage.origin is None:
            return
        store = kept_store(self.record, self.storage)
        todo = store.runs(self.record.name)
        refs, runs = set[str](), {run.id for run in todo}
        while todo:
            run = todo.pop()
            for ref in {*run.used, *run.logged} - refs:
                refs.add(ref)
                producer = store.artifact(ref).producer
                if producer is not None and producer not in runs:
                    runs.add(producer)
                    todo += store.runs(run_id=producer)
        self._fetch(refs)
        self.storage.origin.media(self.record.project, runs)

    def _fetch(self, refs: Iterable[str]) -> None:
        """Download the files of these versions, if they are at the URI. W&B has the others."""
        if self.storage.origin is None:
            return
        store, digests = kept_store(self.record, self.storage), list[str]()
        for ref in refs:
            with suppress(ArtifactNotFound):
                digests += [file.digest for file in store.artifact(ref).files]
        self.storage.origin.blobs(self.record.project, digests)


def kept_store(record: SweepRecord, storage: Storage) -> TrackioStore:
    """Open the embedded store of the sweep's project, in this process."""
    from raysweep.tracking.trackio.store import TrackioStore

    if storage.origin is not None:
        storage.origin.project(record.project)
    return TrackioStore(storage.tracker, record.project)


def store_if_any(storage: Storage, project: str) -> TrackioStore | None:
    """Open the embedded store of a project, if there is one."""
    from raysweep.tracking.trackio.database import database_file
    from raysweep.tracking.trackio.store import TrackioStore

    if storage.origin is not None:
        storage.origin.project(project)
    there = database_file(storage.tracker, project).exists()
    return TrackioStore(storage.tracker, project) if there else None


def store_of_project(storage: Storage, project: str) -> TrackioStore:
    """Open the embedded store of a project, in this process. Raises UserError where there is no
    such project."""
    from raysweep.storage.nearest import nearest
    from raysweep.tracking.trackio.database import projects
    from raysweep.tracking.trackio.store import TrackioStore

    if storage.origin is not None:
        storage.origin.project(project)
    known = projects(storage.tracker)
    if project not in known:
        raise UserError(
            f"--project {project}: no such project in {storage.shown}; "
            f"there is {', '.join(nearest(project, known) or known) or 'none yet'}"
        )
    return TrackioStore(storage.tracker, project)


def tracker_for_reading(record: SweepRecord, storage: Storage) -> Tracker:
    """Open the sweep's tracker without Ray: a single reader needs no store actor.

    Runs in W&B are stored here, too, and read from here; W&B is asked only for the rest.
    """
    from raysweep.tracking.trackio.tracker import TrackioTracker

    def here() -> TrackioTracker:
        return TrackioTracker(kept_store(record, storage))

    if record.tracker != "wandb":
        return here()
    from raysweep.tracking.mirror.tracker import MirroredTracker
    from raysweep.tracking.wandb.tracker import WandbTracker

    there = WandbTracker(record.project, record.entity)
    return MirroredTracker(here(), there) if storage.tracker.exists() else there


def state_of(storage: Storage, folder: SweepFolder) -> str | None:
    """Return `ended` (has a best), `running`, or `stopped`: `resume` continues it, or says why it
    has no best. None for one at a URI that has not ended: another machine may drive it."""
    if folder.removing.exists():
        return "half removed"
    if folder.result() is not None:
        return "ended"
    if storage.is_uri:
        return None
    return "running" if is_driven(folder) else "stopped"


def _shown(folder: SweepFolder) -> dict[str, Any] | None:
    """Read the fields of the result that are shown. Raises UserError if one is missing."""
    result = folder.result()
    try:
        if result is not None:
            if result["best"] is not None:  # without a metric nothing was chosen
                (result["best"]["artifact"] or "").strip()  # null: the winner logged no model
                result["test"].items()
            result["trials"]["total"]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder.path / 'result.json'}: not the result of a sweep ({error!r})"
        ) from error
    return result


def listed(storage: Storage, on_skipped: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the rows of `list`, oldest first. `on_skipped` is called with a line for each sweep
    that cannot be read."""
    found = []
    for folder in storage.sweeps(on_skipped):
        try:
            record = folder.record()
            found.append(
                {
                    "sweep": folder.path.name,
                    "created": record.created,
                    "project": record.project,
                    "tracker": record.tracker,
                    "state": state_of(storage, folder),
                    "result": _shown(folder),
                }
            )
        except UserError as error:
            on_skipped(str(error))
    return found
