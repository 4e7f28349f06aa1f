"""From a URI to a folder of this machine: small files and databases first, blobs as they are asked.

Of a storage's bytes nearly all are blobs, and a command needs few of them or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raysweep.paths import safe_join
from raysweep.pipeline.storage.object_store import AT_ONCE, ObjectStore
from raysweep.pipeline.storage.storage import REOPENED, TRACKER_FOLDER, Storage


def pull(store: ObjectStore, root: Path, *, media: bool = False, checkpoints: bool = False) -> None:
    """Bring the sweeps' small files and the databases to `root`, and what else is asked for.

    `checkpoints` are those of sweeps that have no result: of others nobody goes on.
    """
    there = store.list()
    get_all(store, root, [path for path in there if _is_small(path)])
    wanted = [path for path in there if _is_database(path)]  # later: never behind, if one writes
    if media:
        wanted += [path for path in there if path.startswith(f"{TRACKER_FOLDER}/media/")]
    if checkpoints:
        wanted += [path for path in there if _is_checkpoint(path) and not _has_ended(path, there)]
    get_all(store, root, wanted)


def get_all(store: ObjectStore, root: Path, paths: Iterable[str]) -> None:
    """Copy these files into `root`, several at once. Raises UnsafeName, before anything is copied,
    for a key that would lie outside: whoever may write to the bucket chooses it."""
    targets = {path: safe_join(root, path, store.uri) for path in paths}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="raysweep-pull") as pool:
        for done in [pool.submit(store.get, path, target) for path, target in targets.items()]:
            done.result()


class BlobFetcher:
    """Brings blobs of a storage that lies at a URI. What is here already stays."""

    def __init__(self, store: ObjectStore, storage: Storage) -> None:
        self._store, self._storage = store, storage

    def __call__(self, project: str, digests: Iterable[str]) -> None:
        """Raises OSError; a blob that is not there either is passed over: who reads it says so."""
        paths = [blob_path(project, digest) for digest in dict.fromkeys(digests)]
        root, uri = self._storage.root, self._store.uri
        missing = [path for path in paths if not safe_join(root, path, uri).exists()]
        if not missing:
            return
        there = self._store.list(f"{TRACKER_FOLDER}/artifacts/{project}")
        get_all(self._store, self._storage.root, [path for path in missing if path in there])


def blob_path(project: str, digest: str) -> str:
    """Where a blob lies in a storage (`tracking.blobs`, `tracking.trackio_database`)."""
    return f"{TRACKER_FOLDER}/artifacts/{project}/blobs/sha256/{digest[:2]}/{digest}"


def _is_small(path: str) -> bool:
    folder, _, name = path.partition("/")
    return bool(name) and "/" not in name and folder != TRACKER_FOLDER and name[0] != "."


def _is_database(path: str) -> bool:
    return path.startswith(f"{TRACKER_FOLDER}/") and path.count("/") == 1 and path.endswith(".db")


def _is_checkpoint(path: str) -> bool:
    return path.count("/") == 2 and path.split("/")[1] == "checkpoints"


def _has_ended(path: str, there: Mapping[str, int]) -> bool:
    """Whether its sweep has a result; that of one which goes on again is void."""
    return there.get(f"{path.partition('/')[0]}/result.json", 0) > len(REOPENED)
