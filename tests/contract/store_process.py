"""Serve the embedded store from another process, which imports this module by its name."""

from __future__ import annotations

from multiprocessing.managers import BaseManager, IteratorProxy

from raysweep.tracking.trackio.store import TrackioStore


class StoreManager(BaseManager):
    """Serves a TrackioStore through a pipe."""


StoreManager.register("TrackioStore", TrackioStore, method_to_typeid={"blob_chunks": "Iterator"})
StoreManager.register("Iterator", proxytype=IteratorProxy, create_method=False)
