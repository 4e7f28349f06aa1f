"""Serve the embedded store from another process, which imports this module by its name."""

from __future__ import annotations

from multiprocessing.managers import BaseManager

from raysweep.tracking.trackio.store import TrackioStore


class StoreManager(BaseManager):
    """Serves a TrackioStore through a pipe."""


StoreManager.register("TrackioStore", TrackioStore)
