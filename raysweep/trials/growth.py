"""Run more trials at once when machines join the cluster during a sweep."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ray import tune
from ray.exceptions import RayError
from ray.tune.search import ConcurrencyLimiter

from raysweep.cluster import growing
from raysweep.cluster.resources import Node, Resources, concurrent, most, present
from raysweep.config import ResourcesConfig
from raysweep.events import ClusterNotice, Observer

LOOK_S = 1.0
"""How often to look at the machines: one look takes a millisecond of the driver's time."""


class Growth(tune.Callback):
    """Raises the limit of concurrent trials to what the machines have room for. Where an autoscaler
    starts machines, asks it for enough of them for the trials that have not started.

    The limit never falls: a trial whose machine is gone waits for another, and what the search
    tried ahead of results stays tried. Where no machine joins, nothing changes.
    """

    def __init__(
        self,
        limiter: ConcurrencyLimiter,
        each: Resources,
        wanted: ResourcesConfig,
        left: Callable[[], int],
        observer: Observer,
        machines: Callable[[], Sequence[Node]] = present,
    ) -> None:
        """Follow the limit of `limiter`.

        each: the resources of one trial. left: returns how many trials have not started yet.
        machines: returns the machines that are up.
        """
        self._limiter = limiter
        self._each = each
        self._wanted = wanted
        self._left = left
        self._observer = observer
        self._machines = machines
        bundle = {"CPU": each.cpus} | ({"GPU": each.gpus} if each.gpus else {})
        self._demand = growing.Demand(bundle) if growing.grows() else None
        self._looked = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune saves its callbacks with its state, and this one needs none."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look at the machines every `LOOK_S` seconds."""
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            self.follow()

    def follow(self) -> None:
        """Raise the limit to what the machines have room for, and ask the autoscaler for more."""
        now, left = self._limiter.max_concurrent, self._left()
        under_way = len(self._limiter.live_trials)
        room = concurrent(
            self._machines(), self._each.cpus, self._each.gpus, self._wanted, under_way + left
        )
        if room > now:
            self._limiter.set_max_concurrency(room)
            self._observer(ClusterNotice(f"the cluster has grown: {room} trials at once"))
            now = room
        if self._demand is not None:
            missing = min(most(self._wanted, under_way + left) - now, left)
            self._demand.ask(max(0, min(missing, max(growing.ASKED_AT_LEAST, now))))

    def stop(self) -> None:
        """Withdraw the request to the autoscaler. A cluster that is gone has none."""
        if self._demand is not None:
            with suppress(RayError):
                self._demand.ask(0)
