"""Walk the graph from one artifact version to all its ancestors and descendants.

It includes only those: a run's other outputs are neither, nor are models trained beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from raysweep.tracking.port import Lineage, LineageNode


class Graph(Protocol):
    """The bipartite graph of one project, one step at a time. References are `name:vK`."""

    def producers(self, ref: str) -> Iterable[str]:
        """Return the ids of the runs that logged the version."""
        ...

    def consumers(self, ref: str) -> Iterable[str]:
        """Return the ids of the runs that used the version."""
        ...

    def inputs(self, run_id: str) -> Iterable[str]:
        """Return the references of the versions that the run used."""
        ...

    def outputs(self, run_id: str) -> Iterable[str]:
        """Return the references of the versions that the run logged."""
        ...

    def artifact_node(self, ref: str) -> LineageNode: ...

    def run_node(self, run_id: str) -> LineageNode: ...


def artifact_node_id(ref: str) -> str:
    """Return the id of a version's node."""
    return f"artifact:{ref}"


def run_node_id(run_id: str) -> str:
    """Return the id of a run's node."""
    return f"run:{run_id}"


def walk(graph: Graph, focus: str) -> Lineage:
    """Compute the lineage of `focus`, a reference `name:vK`: nodes from the oldest ancestor down.

    All edges between those nodes are included: the report also used the data on which its model
    was trained.
    """
    up_artifacts, up_runs = _reach(focus, graph.producers, graph.inputs)
    down_artifacts, down_runs = _reach(focus, graph.consumers, graph.outputs)
    artifacts = dict.fromkeys([*reversed(up_artifacts), *down_artifacts])
    runs = dict.fromkeys([*reversed(up_runs), *down_runs])
    edges = []
    for run_id in runs:
        node = run_node_id(run_id)
        edges += [(artifact_node_id(r), node) for r in graph.inputs(run_id) if r in artifacts]
        edges += [(node, artifact_node_id(r)) for r in graph.outputs(run_id) if r in artifacts]
    ids = dict.fromkeys([end for edge in edges for end in edge] or [artifact_node_id(focus)])
    return Lineage(
        focus=artifact_node_id(focus),
        nodes=tuple(_node(graph, node) for node in ids),
        edges=tuple(dict.fromkeys(edges)),
    )


def _reach(
    focus: str,
    runs_of: Callable[[str], Iterable[str]],
    artifacts_of: Callable[[str], Iterable[str]],
) -> tuple[list[str], list[str]]:
    """Collect the versions and runs reachable from `focus` in one direction, breadth first."""
    artifacts, runs = {focus: None}, dict[str, None]()
    queue = [focus]
    for ref in queue:  # grows as it is walked
        for run_id in runs_of(ref):
            if run_id not in runs:
                runs[run_id] = None
                new = [other for other in artifacts_of(run_id) if other not in artifacts]
                artifacts |= dict.fromkeys(new)
                queue += new
    return list(artifacts), list(runs)


def _node(graph: Graph, node: str) -> LineageNode:
    kind, _, name = node.partition(":")
    return graph.run_node(name) if kind == "run" else graph.artifact_node(name)
