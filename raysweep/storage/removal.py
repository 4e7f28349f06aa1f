"""Remove sweeps from a storage: their folders, and all of the tracker's that only they needed.

It is crash-safe, and calling it again completes it. Before anything is removed, the sweep's folder
is marked, and only `remove` takes it up from then on. Then the tracker's rows go, then its bytes
(see `tracking.trackio.removal`), then the folder: it is renamed first, so that no half a sweep is
ever listed, and the next call removes what is left of it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from raysweep.errors import UserError
from raysweep.stderr import to_stderr
from raysweep.storage.atomic import write_atomically
from raysweep.storage.choosing import chosen
from raysweep.storage.claim import is_driven, reclaimed, stop_driver
from raysweep.storage.needs import Others
from raysweep.storage.reading import store_if_any
from raysweep.storage.recorded import recorded_as
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.trackio.recorded import Recorded
from raysweep.tracking.trackio.taken import Removed, Taken
from raysweep.tracking.write_behind import sync_folder

_PUT_AWAY = ".removed-"


@dataclass(frozen=True)
class Going:
    """A sweep to be removed. `folder_bytes`: of its folder alone. `there`: the page of its project
    in W&B, which keeps its own; None if it is not there, empty if the page is not known."""

    folder: SweepFolder
    record: SweepRecord
    folder_bytes: int
    there: str | None

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.path.name


@dataclass(frozen=True)
class Removal:
    """What `remove` takes away. `taken`: project → what goes of its tracker; `media_bytes`: of all
    pictures. `finished`: names of sweeps whose removal was cut short, and is now complete.
    `recorded`: what `exec` has recorded."""

    storage: Storage
    going: tuple[Going, ...]
    taken: Mapping[str, Taken]
    media_bytes: int
    force: bool
    finished: tuple[str, ...] = ()
    recorded: tuple[Recorded, ...] = ()

    @property
    def bytes(self) -> int:
        """How many bytes of files become free."""
        folders = sum(each.folder_bytes for each in self.going)
        return folders + self.media_bytes + sum(sum(t.blobs.values()) for t in self.taken.values())

    def to_json(self, *, removed: bool) -> dict[str, Any]:
        """Return the output of `remove --json`."""
        found = list(self.taken.values())
        return {
            "removed": removed,
            "sweeps": [
                {
                    "sweep": each.name,
                    "project": each.record.project,
                    "folder_bytes": each.folder_bytes,
                }
                for each in self.going
            ],
            "recorded": [each.what for each in self.recorded],
            "bytes": self.bytes,
            "runs": [run for each in found for run in each.runs],
            "versions": [ref for each in found for ref in each.versions],
            "stay": {ref: list(by) for each in found for ref, by in each.stay.items()},
            "dropped": [ref for each in found for ref in each.dropped],
            "aliases": {alias: ref for each in found for alias, ref in each.aliases.items()},
            "finished": list(self.finished),
        }


def plan_removal(
    storage: Storage, names: Sequence[str], *, force: bool = False, finish: bool = False
) -> Removal:
    """Find the sweeps, and what goes with them. Changes nothing but what `finish` asks for: to
    complete earlier removals that were cut short.

    `names`: sweeps, or how their names begin, or patterns with `*`; or what `exec` has recorded.
    Raises UserError where one is not there or, without `force`, is running.
    """
    finished = tuple(finish_earlier(storage)) if finish else ()
    known = {name: found for name in names if (found := recorded_as(storage, name)) is not None}
    for found in known.values():
        _check_over(found, force)
    folders = chosen(storage, [name for name in names if name not in known], over=finished)
    going = tuple(_going(storage, folder, force) for folder in folders)
    taken, media = dict[str, Taken](), 0
    recorded = tuple(known.values())
    for project, request in _requests(storage, going, recorded, force):
        store = store_if_any(storage, project)
        taken[project] = Taken() if store is None else store.removing.plan(request)
        media += sum(_media_bytes(storage, project, run) for run in taken[project].media)
    return Removal(storage, going, taken, media, force, finished, recorded)


def carry_out(removal: Removal) -> Removal:
    """Remove them. Returns what went: other sweeps may have come or gone since it was planned.

    Raises UserError where a sweep's driver is alive, or a file cannot be removed; calling it again
    goes on.
    """
    storage, taken = removal.storage, dict(removal.taken)
    try:
        with ExitStack() as stack:
            for each in removal.going:
                if removal.force and is_driven(each.folder):
                    stop_driver(each.folder)
                stack.enter_context(reclaimed(each.folder))
                write_atomically(each.folder.removing, "")
            asked = _requests(storage, removal.going, removal.recorded, removal.force)
            for project, request in asked:
                store = store_if_any(storage, project)
                if store is not None:
                    taken[project] = store.removing.remove(request)
                    bury(storage, store.removing)
                    store.removing.compact()
            away = [_put_away(storage, each.folder) for each in removal.going]
        for folder in away:
            shutil.rmtree(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or storage.shown}: cannot be removed ({error.strerror}); make it "
            "writable, and call remove again, which goes on"
        ) from error
    return replace(removal, taken=taken)


class Buries(Protocol):
    """`Removing`, here or in the process of the store's writer."""

    def bury(
        self, only: Collection[str] | None = None, *, keep_note: bool = False
    ) -> list[str]: ...

    def forget(self, paths: Iterable[str]) -> None: ...


def bury(storage: Storage, removing: Buries, only: Collection[str] | None = None) -> None:
    """Remove the bytes that are noted as not needed, here and at the storage's URI. `only`: paths
    that were noted now; None for all."""
    origin = storage.origin
    paths = removing.bury(only, keep_note=origin is not None)
    if origin is None:
        return
    there = list(paths)
    if only is None:  # the note stays until a call sees that they are gone there
        there = [path for path in paths if origin.has(f"{storage.tracker.name}/{path}")]
        removing.forget({*paths} - {*there})
    if there:
        pictures = (f"{path}/" if path.startswith("media/") else path for path in there)
        origin.doom(f"{storage.tracker.name}/{path}" for path in pictures)


def finish_earlier(storage: Storage) -> Iterator[str]:
    """Remove what removals that were cut short have left; yield the sweeps' names."""
    for folder in sorted(storage.root.glob(f"{_PUT_AWAY}*")):
        try:
            folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
        except OSError as error:
            to_stderr(f"{folder}: cannot be removed ({error.strerror}); remove it by hand")
        yield folder.name.removeprefix(_PUT_AWAY).rpartition("-")[0]


def _requests(
    storage: Storage, going: Sequence[Going], recorded: Sequence[Recorded], force: bool
) -> Iterator[tuple[str, Removed]]:
    """What each project's tracker is asked to remove, by what the other sweeps need now."""
    others = Others.of(storage, {each.name for each in going})
    projects = [*(each.record.project for each in going), *(each.project for each in recorded)]
    for project in dict.fromkeys(projects):
        records = [each.record for each in going if each.record.project == project]
        its = [each for each in recorded if each.project == project]
        yield (
            project,
            replace(
                others.request(project, records, force=force),
                runs=tuple(run for each in its for run in each.runs),
                of_agents=tuple(sweep for each in its for sweep in each.sweeps),
            ),
        )


def _check_over(found: Recorded, force: bool) -> None:
    going_on = [run for run, state in found.runs.items() if state == "running"]
    if going_on and not force:
        raise UserError(
            f"{found.what}: {', '.join(going_on)} has not ended; wait until it does, or use "
            "--force where its command was killed"
        )


def _going(storage: Storage, folder: SweepFolder, force: bool) -> Going:
    name = folder.path.name
    if folder.path.is_symlink():
        raise UserError(
            f"{folder.path}: is a link to {os.path.realpath(folder.path)}; remove that sweep by "
            "its own name, or the link by hand"
        )
    if is_driven(folder) and not force:
        raise UserError(
            f"{name}: is still running; wait until it ends, interrupt it first, or use --force, "
            "which interrupts it"
        )
    for place in (storage.root, folder.path):
        if not os.access(place, os.W_OK):
            raise UserError(f"{place}: is not writable, so {name} cannot be removed")
    record = folder.record()
    links: Mapping[str, str] = {}
    with suppress(UserError):  # a damaged result is no reason to keep a sweep
        links = (folder.result() or {}).get("links") or {}
    there = links.get("project", "" if record.tracker == "wandb" else None)
    return Going(folder, record, folder_bytes(storage, folder), there)


def _put_away(storage: Storage, folder: SweepFolder) -> Path:
    """Take the sweep off the storage's list, in one step."""
    name = folder.path.name
    away = storage.root / f"{_PUT_AWAY}{name}-{secrets.token_hex(4)}"
    folder.path.rename(away)
    sync_folder(storage.root)
    if storage.origin is not None:
        storage.origin.doom([f"{name}/"])
    return away


def folder_bytes(storage: Storage, folder: SweepFolder) -> int:
    """Sum up the sizes of the files in a sweep's folder; of a URI, there."""
    if storage.origin is not None:
        return storage.origin.bytes_below(f"{folder.path.name}/")
    return tree_bytes(folder.path)


def _media_bytes(storage: Storage, project: str, run_id: str) -> int:
    if storage.origin is not None:
        return storage.origin.bytes_below(f"{storage.tracker.name}/media/{project}/{run_id}/")
    return tree_bytes(storage.tracker / "media" / project / run_id)


def tree_bytes(folder: Path) -> int:
    """Sum up the sizes of the files in and below the folder, without following links."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += tree_bytes(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
    return total
