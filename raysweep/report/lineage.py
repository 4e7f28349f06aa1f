"""The lineage graph of a sweep's best model, laid out in columns from raw data to the report."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from raysweep.errors import ArtifactNotFound
from raysweep.tracking.port import Lineage, LineageNode

if TYPE_CHECKING:
    from raysweep.tracking.trackio.store import TrackioStore

_MOST_OF_A_KIND = 4
"""Nodes of one kind in a column; the rest are drawn as one: `997 more`."""


def lineage_json(store: TrackioStore, ref: str | None, sweep: str) -> dict[str, Any] | None:
    """Return the graph of the version `ref` of `sweep`; None where the store does not have it."""
    if ref is None:
        return None
    with suppress(ArtifactNotFound):
        return graph_json(store.lineage(ref), sweep)
    return None


def graph_json(lineage: Lineage, sweep: str) -> dict[str, Any]:
    """Return `{"nodes": [{id, kind, name, about, column, focus}], "edges": [[from, to]]}`.

    Every edge leads to the right, and a node stands as near as it can to what uses it.
    """
    columns = _columns(lineage)
    groups: dict[tuple[int, str, str], list[LineageNode]] = {}
    for node in lineage.nodes:
        kind = node.job_type or node.type or ""
        groups.setdefault((columns[node.id], node.kind, kind), []).append(node)
    nodes, renamed = list[dict[str, Any]](), dict[str, str]()
    for (column, kind, what), members in groups.items():
        focused = [node for node in members if node.id == lineage.focus]
        others = [node for node in members if node.id != lineage.focus]
        room = _MOST_OF_A_KIND - len(focused)
        shown = others if len(others) <= room else others[: room - 1]
        nodes += [_node(node, column, lineage.focus, sweep) for node in [*focused, *shown]]
        rest = others[len(shown) :]
        if rest:
            more = f"more:{column}:{kind}:{what}"
            renamed |= {node.id: more for node in rest}
            about = {"id": more, "kind": kind, "about": what, "column": column, "focus": False}
            nodes.append({**about, "name": f"{len(rest):,} more"})
    edges = [(renamed.get(a, a), renamed.get(b, b)) for a, b in lineage.edges]
    return {"nodes": nodes, "edges": [list(edge) for edge in dict.fromkeys(edges)]}


def _node(node: LineageNode, column: int, focus: str, sweep: str) -> dict[str, Any]:
    run = node.kind == "run"
    name = node.name.removesuffix(f"-{sweep}")  # which the page need not repeat
    about = (node.job_type or "run") if run else ", ".join(node.aliases)
    return {
        "id": node.id,
        "kind": node.kind,
        "name": name if run else f"{node.name}:{node.version}",
        "about": about,
        "column": column,
        "focus": node.id == focus,
    }


def _columns(lineage: Lineage) -> Mapping[str, int]:
    """Map each node to its column: as far from the end as the longest way from it is long."""
    after = {node.id: 0 for node in lineage.nodes}
    for _ in lineage.nodes:  # a graph without a circle settles within as many rounds
        changed = False
        for start, end in lineage.edges:
            if after[start] <= after[end]:
                after[start] = after[end] + 1
                changed = True
        if not changed:
            break
    last = max(after.values(), default=0)
    return {node: last - ways for node, ways in after.items()}
