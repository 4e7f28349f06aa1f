"""More trials at once as machines come, while the sweep runs."""

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
"""How often to look at the machines: a look takes a millisecond of the driver."""


class Growth(tune.Callback):
    """Raises the limit of trials at once to what the machines have room for; where an autoscaler
    starts them, asks it for room for those that wait to be tried.

    The limit never falls: a trial whose machine is gone waits for another, and what the search
    tried ahead of results stays tried. On machines that stay as they are nothing changes.
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
        """`each`: what a trial has; `left`: how many trials have not started yet."""
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
        """Tune saves its callbacks with its state; who asks stays in this process."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look, now and then."""
        if time.monotonic() - self._looked >= LOOK_S:
            self._looked = time.monotonic()
            self.follow()

    def follow(self) -> None:
        """Look at the machines."""
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
        """Ask for nothing any more. A cluster that is gone is asked for nothing anyway."""
        if self._demand is not None:
            with suppress(RayError):
                self._demand.ask(0)
