"""The embedded store in another process, which finds this module by its name of its own."""

from __future__ import annotations

from multiprocessing.managers import BaseManager

from raysweep.tracking.trackio.store import TrackioStore


class StoreManager(BaseManager):
    """Serves a TrackioStore through a pipe."""


StoreManager.register("TrackioStore", TrackioStore)
