"""How many bytes each sweep of a storage uses alone, which `remove` frees, and shares."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from raysweep.errors import UserError
from raysweep.storage.needs import Kept, kept_sweep, pinned_here, pinned_there
from raysweep.storage.reading import store_if_any
from raysweep.storage.removal import folder_bytes, tree_bytes
from raysweep.storage.storage import Storage


@dataclass(frozen=True)
class Sizes:
    """Bytes of a sweep's files. `alone`: of its folder and of what only it needs of the tracker's;
    `shared`: of the versions that it used or logged and that others need, too."""

    alone: int
    shared: int


def sizes(storage: Storage) -> dict[str, Sizes]:
    """Compute them for all sweeps that can be read, by the names of their folders."""
    if storage.origin is not None:
        storage.origin.results()
    alone, shared = dict[str, int](), defaultdict[str, int](int)
    projects: dict[str, dict[str, Kept]] = {}
    for folder in storage.sweeps():
        with suppress(UserError):
            kept = kept_sweep(storage, folder)
            alone[folder.path.name] = folder_bytes(storage, folder)
            projects.setdefault(kept.record.project, {})[folder.path.name] = kept
    for project, sweeps in projects.items():
        by_id = {kept.record.id: name for name, kept in sweeps.items()}
        store = store_if_any(storage, project)
        if store is None:
            continue
        pins = {name: tuple(pinned_here(kept)) for name, kept in sweeps.items()}
        there = {name: tuple(pinned_there(kept)) for name, kept in sweeps.items()}
        found = store.removing.shares(by_id, pins, there)
        for name in sweeps:
            alone[name] += found.alone.get(name, 0)
            shared[name] += found.shared.get(name, 0)
        for run_id, size in _pictures(storage, project):
            for sweep_id, name in by_id.items():
                if run_id.startswith(f"{sweep_id}-"):
                    alone[name] += size
    return {name: Sizes(size, shared[name]) for name, size in alone.items()}


def _pictures(storage: Storage, project: str) -> Iterator[tuple[str, int]]:
    """Run id → bytes of the pictures that it logged."""
    if storage.origin is not None:
        yield from storage.origin.sizes_in(f"{storage.tracker.name}/media/{project}/").items()
        return
    with suppress(OSError), os.scandir(storage.tracker / "media" / project) as entries:
        for entry in entries:
            yield entry.name, tree_bytes(Path(entry.path))
