"""Dropping bytes of the store through its one writer, here and at the storage's URI."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.removal import bury
from raysweep.storage.storage import Storage
from raysweep.tracking.trackio.models import LoggedModel


class RemoteRemoving:
    """What `Removing` does, in the writer's process: see there. Used by the driver alone."""

    def __init__(self, store: RemoteStore, storage: Storage) -> None:
        self._store, self._storage = store, storage

    def models(self, group: str, name: str) -> list[LoggedModel]:
        """List the versions of the artifact `name` that the group's finished runs logged."""
        found: list[LoggedModel] = self._store.call("models", group, name)
        return found

    def drop(self, refs: Collection[str], why: str) -> None:
        """Drop the bytes of these versions, not their records."""
        bury(self._storage, self, only=self._store.call("drop", list(refs), why))

    def bury(self, only: Collection[str] | None = None, *, keep_note: bool = False) -> list[str]:
        """See Removing."""
        paths: list[str] = self._store.call("bury", only, keep_note)
        return paths

    def forget(self, paths: Iterable[str]) -> None:
        """See Removing."""
        if paths := list(paths):
            self._store.call("forget_bytes", paths)
