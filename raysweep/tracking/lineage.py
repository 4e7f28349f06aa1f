"""The walk from one artifact version to all that it came from and all that came of it.

Ancestors and descendants only: a run's other outputs are neither, nor is what was trained beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from raysweep.tracking.port import Lineage, LineageNode


class Graph(Protocol):
    """The bipartite graph of one project, one step at a time. References are `name:vK`."""

    def producers(self, ref: str) -> Iterable[str]:
        """Ids of the runs that logged the version."""
        ...

    def consumers(self, ref: str) -> Iterable[str]:
        """Ids of the runs that used the version."""
        ...

    def inputs(self, run_id: str) -> Iterable[str]:
        """References of the versions that the run used."""
        ...

    def outputs(self, run_id: str) -> Iterable[str]:
        """References of the versions that the run logged."""
        ...

    def artifact_node(self, ref: str) -> LineageNode: ...

    def run_node(self, run_id: str) -> LineageNode: ...


def artifact_node_id(ref: str) -> str:
    """The id of a version's node."""
    return f"artifact:{ref}"


def run_node_id(run_id: str) -> str:
    """The id of a run's node."""
    return f"run:{run_id}"


def walk(graph: Graph, focus: str) -> Lineage:
    """The lineage of `focus`, a reference `name:vK`: nodes from the oldest ancestor down."""
    up = _reach(focus, graph.producers, graph.inputs)
    down = _reach(focus, graph.consumers, graph.outputs)
    edges = [(target, source) for source, target in reversed(up)] + down
    ids = dict.fromkeys([node for edge in edges for node in edge] or [artifact_node_id(focus)])
    return Lineage(
        focus=artifact_node_id(focus),
        nodes=tuple(_node(graph, node) for node in ids),
        edges=tuple(dict.fromkeys(edges)),
    )


def _reach(
    focus: str,
    runs_of: Callable[[str], Iterable[str]],
    artifacts_of: Callable[[str], Iterable[str]],
) -> list[tuple[str, str]]:
    """Every edge met on the way out from `focus` in one direction, breadth first."""
    edges: list[tuple[str, str]] = []
    artifacts, seen_artifacts, seen_runs = [focus], {focus}, set()
    for ref in artifacts:  # grows as it is walked
        for run_id in runs_of(ref):
            edges.append((artifact_node_id(ref), run_node_id(run_id)))
            if run_id in seen_runs:
                continue
            seen_runs.add(run_id)
            for other in artifacts_of(run_id):
                edges.append((run_node_id(run_id), artifact_node_id(other)))
                if other not in seen_artifacts:
                    seen_artifacts.add(other)
                    artifacts.append(other)
    return edges


def _node(graph: Graph, node: str) -> LineageNode:
    kind, _, name = node.partition(":")
    return graph.run_node(name) if kind == "run" else graph.artifact_node(name)
