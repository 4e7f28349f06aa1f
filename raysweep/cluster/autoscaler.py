"""Read the autoscaler's report: whether there is an autoscaler, and which machines it is starting.

Ray has a public way to request machines (a pending placement group), but none to learn what the
autoscaler does about it. This module reads what `ray status` reads.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ray

from raysweep.cluster.faststart import ray_internals
from raysweep.cluster.nodes import in_one_process

MACHINE_ITSELF = re.compile("(node_[0-9a-f]{16,})?")
"""The type of each node where nothing starts machines: Ray names it after the node itself, and
version 2 of the autoscaler gives no name."""

STARTING_S = 10.0
"""The age of a cluster's head from which a missing report means that there is no autoscaler."""

QUARTER_S = 15 * 60
"""Time zones differ by multiples of a quarter of an hour."""

Bundle = Mapping[str, float]
"""Resources that must be on one machine: `{"CPU": 1, "GPU": 0.5}`."""


@dataclass(frozen=True)
class Report:
    """The autoscaler's report at the time `at`, in seconds of its own clock."""

    at: float
    types: frozenset[str]
    """The types of nodes that are running or being started."""

    starting: tuple[str, ...]
    """Machines that are being started: each one's provisional name, or its type."""

    requested: tuple[Bundle, ...]
    """The bundles of pending placement groups."""

    failures: tuple[str, ...]
    """Why machines could not be started."""

    @property
    def starts_machines(self) -> bool:
        """Whether the autoscaler starts the cluster's machines."""
        return any(not MACHINE_ITSELF.fullmatch(each) for each in self.types)


def report() -> Report | None:
    """Return the latest report; None if there is none, or none yet."""
    if in_one_process():
        return None
    status = ray_internals.autoscaler_status()
    if not status:
        return None
    try:
        if isinstance(status, bytes):
            return of_version_1(json.loads(status))
        return of_version_2(status)
    except (KeyError, AttributeError, TypeError, ValueError):  # another Ray's format
        return None


def may_report_soon() -> bool:
    """Return whether a cluster without a report may get one: its monitor is running, or its head
    has only just started. Most clusters have a report; one without a monitor never has."""
    if ray_internals.has_autoscaler():
        return True
    return is_young(ray.get_runtime_context().get_session_name(), time.time())


def is_young(session: str, now: float) -> bool:
    """Return whether the session started less than STARTING_S ago.

    Its name contains the start time by the head's clock. `now`: seconds since the epoch.
    """
    date = re.match(r"session_(\d+-\d+-\d+_\d+-\d+-\d+)", session)
    if date is None:
        return False
    started = calendar.timegm(time.strptime(date[1], "%Y-%m-%d_%H-%M-%S"))
    return (now - started) % QUARTER_S < STARTING_S


def of_version_1(status: Mapping[str, Any]) -> Report | None:
    """Parse the status of the classic autoscaler; None if it has not looked at the cluster yet."""
    summary, load = status.get("autoscaler_report"), status.get("load_metrics_report")
    if not summary or not load:
        return None
    pending, launches = summary["pending_nodes"], summary["pending_launches"]
    # The autoscaler lists a running node as pending until it has marked it as set up.
    alive = _names_of_nodes()
    starting = [node for node in pending if alive.isdisjoint(map(str, node))]
    known = (summary["node_type_mapping"] or {}).values()
    failed = summary["node_availability_summary"]["node_availabilities"].values()
    return Report(
        at=status["time"],
        types=frozenset([*known, *summary["active_nodes"], *launches]),
        starting=(*(str(node[0]) for node in starting), *launches),
        requested=tuple(
            bundle for group, _ in load["pg_demand"] or () for bundle, _ in group["bundles"]
        ),
        failures=tuple(
            f"{each['node_type']}: {why['description']}"
            for each in failed
            if (why := each["unavailable_node_information"])
        ),
    )


def of_version_2(status: Any) -> Report:
    """Parse the status of the autoscaler that KubeRay may use
    (`ray.autoscaler.v2.schema.ClusterStatus`)."""
    nodes = [*status.active_nodes, *status.idle_nodes]
    demands = status.resource_demands.placement_group_demand
    return Report(
        at=float(status.stats.autoscaler_version or 0),
        types=frozenset(
            [
                *(node.ray_node_type_name for node in [*nodes, *status.pending_nodes]),
                *(launch.ray_node_type_name for launch in status.pending_launches),
            ]
        ),
        starting=(
            *(node.instance_id for node in status.pending_nodes),
            *(launch.ray_node_type_name for launch in status.pending_launches),
        ),
        requested=tuple(each.bundle for demand in demands for each in demand.bundles_by_count),
        failures=tuple(
            f"{each.ray_node_type_name}: {each.details}" for each in status.failed_launches
        ),
    )


def is_requested(bundle: Bundle, bundles: Iterable[Bundle]) -> bool:
    """Return whether `bundle` is among `bundles`. Values are compared to three digits, since Ray
    rounds them to four."""
    wanted = {name: round(value, 3) for name, value in bundle.items() if value}
    return any(
        {name: round(value, 3) for name, value in each.items() if value} == wanted
        for each in bundles
    )


def _names_of_nodes() -> frozenset[str]:
    return frozenset(
        str(node[name])
        for node in ray.nodes()
        if node["Alive"]
        for name in ("NodeID", "NodeManagerAddress")
    )
