"""What a cluster's autoscaler says of itself: whether there is one, and what it has under way.

Ray has a public way to ask it for machines (a placement group that waits), and none to hear what it
makes of that. This is what `ray status` reads.
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
"""The type of each node where nothing starts machines: Ray's own word for that very node, or no
word at all, by version 2 of the autoscaler."""

STARTING_S = 10.0
"""How old a cluster's head is before it counts as one that has nothing to start machines."""

QUARTER_S = 15 * 60
"""By whole quarters of an hour clocks of other time zones are apart."""

Bundle = Mapping[str, float]
"""What has to be on one machine: `{"CPU": 1, "GPU": 0.5}`."""


@dataclass(frozen=True)
class Report:
    """The autoscaler's word at the time `at`, in seconds of its own clock."""

    at: float
    types: frozenset[str]
    """Of nodes that are there, or under way."""

    under_way: tuple[str, ...]
    """Machines that are being started: what each is called so far, or its type."""

    asked: tuple[Bundle, ...]
    """What placement groups wait for."""

    failures: tuple[str, ...]
    """Why machines could not be started."""

    @property
    def starts_machines(self) -> bool:
        """Whether the cluster's machines are the autoscaler's to start."""
        return any(not MACHINE_ITSELF.fullmatch(each) for each in self.types)


def report() -> Report | None:
    """The latest; None where there is none, or none yet."""
    if in_one_process():
        return None
    said = ray_internals.autoscaler_status()
    if not said:
        return None
    try:
        return of_version_1(json.loads(said)) if isinstance(said, bytes) else of_version_2(said)
    except (KeyError, AttributeError, TypeError, ValueError):  # a Ray that words it otherwise
        return None


def may_yet_speak() -> bool:
    """Of a cluster without a report: whether what makes one is there, or the head has only just
    been started. Most clusters have a report; one started without a monitor never has."""
    if ray_internals.has_autoscaler():
        return True
    return is_young(ray.get_runtime_context().get_session_name(), time.time())


def is_young(session: str, now: float) -> bool:
    """By the session's name, which has the time of its start by the head's clock, in seconds since
    the epoch `now`."""
    date = re.match(r"session_(\d+-\d+-\d+_\d+-\d+-\d+)", session)
    if date is None:
        return False
    started = calendar.timegm(time.strptime(date[1], "%Y-%m-%d_%H-%M-%S"))
    return (now - started) % QUARTER_S < STARTING_S


def of_version_1(said: Mapping[str, Any]) -> Report | None:
    """By the autoscaler's status; None where it has not looked at the cluster yet."""
    summary, load = said.get("autoscaler_report"), said.get("load_metrics_report")
    if not summary or not load:
        return None
    pending, launches = summary["pending_nodes"], summary["pending_launches"]
    # A node is said under way until the autoscaler has marked it as set up.
    there = _names_of_nodes()
    on_the_way = [node for node in pending if there.isdisjoint(map(str, node))]
    known = (summary["node_type_mapping"] or {}).values()
    failed = summary["node_availability_summary"]["node_availabilities"].values()
    return Report(
        at=said["time"],
        types=frozenset([*known, *summary["active_nodes"], *launches]),
        under_way=(*(str(node[0]) for node in on_the_way), *launches),
        asked=tuple(
            bundle for group, _ in load["pg_demand"] or () for bundle, _ in group["bundles"]
        ),
        failures=tuple(
            f"{each['node_type']}: {why['description']}"
            for each in failed
            if (why := each["unavailable_node_information"])
        ),
    )


def of_version_2(status: Any) -> Report:
    """By the status (`ray.autoscaler.v2.schema.ClusterStatus`) of the autoscaler that KubeRay can
    have."""
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
        under_way=(
            *(node.instance_id for node in status.pending_nodes),
            *(launch.ray_node_type_name for launch in status.pending_launches),
        ),
        asked=tuple(each.bundle for demand in demands for each in demand.bundles_by_count),
        failures=tuple(
            f"{each.ray_node_type_name}: {each.details}" for each in status.failed_launches
        ),
    )


def is_asked(bundle: Bundle, bundles: Iterable[Bundle]) -> bool:
    """Whether it is among them; Ray rounds to a ten-thousandth."""
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
