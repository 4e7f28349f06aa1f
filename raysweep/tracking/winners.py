"""What the winner of a sweep of a program has logged, for its aliases and its download."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from raysweep.paths import safe_join
from raysweep.tracking import ArtifactVersion, RunRecord, Tracker
from raysweep.tracking.folder import fresh_folder, take_file
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.programs import CLIENTS_OWN
from raysweep.tracking.store import Store

MODEL = "model"
"""The type of the artifacts that are tagged `best`."""

_CLIENTS_FOLDERS = ("media/", "code/", "artifact/")


def models_of(tracker: Tracker, run: RunRecord) -> list[ArtifactVersion]:
    """Return the models that a run logged: of each name the last version, in order."""
    last: dict[str, ArtifactVersion] = {}
    for ref in run.logged:
        version = tracker.artifact(ref)
        if version.type == MODEL:
            last.pop(version.name, None)
            last[version.name] = version
    return list(last.values())


def download(tracker: Tracker, refs: Sequence[str], folder: Path) -> None:
    """Write the files of the versions into `folder`, which must be absent or empty: of several,
    each into a folder of its name."""
    if len(refs) == 1:
        tracker.download(refs[0], folder)
        return
    with fresh_folder(folder) as fresh:
        for ref in refs:
            tracker.download(ref, safe_join(fresh, ref.partition(":")[0], ref))


def saved_files(store: Store, run_id: str) -> list[ArtifactFile]:
    """Return the files that a run's program kept with `wandb.save`."""
    return [
        file
        for file in store.files(run_id)
        if file.path not in CLIENTS_OWN and not file.path.startswith(_CLIENTS_FOLDERS)
    ]


def left_files(folder: Path, run_id: str) -> dict[str, Path]:
    """Return what the run's program left in `wandb.run.dir`, by its name there. `folder`: where it
    ran; no link leads out of it."""
    whole = folder.resolve()
    return {
        path.relative_to(place).as_posix(): path
        for place in sorted(folder.glob(f"wandb/run-*-{glob.escape(run_id)}/files"))
        for path in place.rglob("*")
        if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(whole)
    }


def download_files(
    store: Store,
    run_id: str,
    files: Sequence[ArtifactFile],
    left: Mapping[str, Path],
    folder: Path,
) -> None:
    """Write files of a run into `folder`, which must be absent or empty: those in the store, and
    others by name."""
    with fresh_folder(folder) as fresh:
        for name, path in left.items():
            target = safe_join(fresh, name, run_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for file in files:
            take_file(store, run_id, file, safe_join(fresh, file.path, run_id))
