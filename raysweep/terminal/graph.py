"""Print a lineage graph as lines of text: each node once, in the order of the data flow."""

from __future__ import annotations

from collections.abc import Mapping

from raysweep.tracking import Lineage, LineageNode


def lineage_lines(lineage: Lineage) -> list[str]:
    """Format one paragraph per run: its inputs, the run, its outputs."""
    nodes = {node.id: node for node in lineage.nodes}
    lines = []
    for run in _in_order(lineage):
        used = [label(nodes[a]) for a, b in lineage.edges if b == run.id]
        logged = [label(nodes[b]) for a, b in lineage.edges if a == run.id]
        arrow = f"{', '.join(used)} ─▶ " if used else ""
        out = f" ─▶ {', '.join(logged)}" if logged else ""
        lines.append(f"{arrow}{label(run)}{out}")
    return lines or [label(node) for node in lineage.nodes]


def label(node: LineageNode) -> str:
    """Label a node: `trained-model:v5 (best, latest)`, `[report-mnist]` or
    `[train trial-0003-mnist]`."""
    if node.kind == "run":  # a run of another program has no job type
        redundant = not node.job_type or node.name.startswith(node.job_type)
        return f"[{node.name}]" if redundant else f"[{node.job_type} {node.name}]"
    aliases = f" ({', '.join(node.aliases)})" if node.aliases else ""
    return f"{node.name}:{node.version}{aliases}"


def _in_order(lineage: Lineage) -> list[LineageNode]:
    """Sort the runs topologically: each after those whose artifacts it used.

    Runs that used each other's artifacts, such as trials of a population, stay together, in the
    order of the nodes, after their ancestors and before their descendants.
    """
    above: dict[str, set[str]] = {node.id: set() for node in lineage.nodes}
    for source, target in lineage.edges:
        above[target].add(source)
    ordered: list[LineageNode] = []
    placed: set[str] = set()
    waiting = list(lineage.nodes)
    while waiting:
        ready = [node for node in waiting if above[node.id] <= placed]
        if not ready:  # the first cycle: all others have more unplaced nodes before them
            circle = min((_before(node.id, above, placed) for node in waiting), key=len)
            ready = [node for node in waiting if node.id in circle]
        placed |= {node.id for node in ready}
        ordered += [node for node in ready if node.kind == "run"]
        waiting = [node for node in waiting if node.id not in placed]
    return ordered


def _before(node_id: str, above: Mapping[str, set[str]], placed: set[str]) -> set[str]:
    """Return the node and all its unplaced ancestors."""
    found, todo = {node_id}, [node_id]
    while todo:
        new = above[todo.pop()] - placed - found
        found |= new
        todo += new
    return found
