"""Connections: a page of a list, as GraphQL's Relay convention cuts one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


def opaque(text: str) -> str:
    """An id or a cursor as W&B's are: base64 of something that only the server reads."""
    return base64.b64encode(text.encode()).decode()


@dataclass(frozen=True)
class PageInfo:
    """Where the page ends, and whether there is more."""

    end_cursor: str | None
    has_next_page: bool


@dataclass(frozen=True)
class Connection:
    """One page; `edges` hold `node` and `cursor`, and what `edge_fields` adds."""

    total_count: int
    edges: list[dict[str, Any]]
    page_info: PageInfo


def page(
    nodes: Sequence[Any],
    first: int | None = None,
    after: str | None = None,
    edge_fields: Callable[[Any], dict[str, Any]] = lambda _node: {},
) -> Connection:
    """Up to `first` of the nodes behind the cursor `after`."""
    cursors = [opaque(f"cursor:{number}") for number in range(len(nodes))]
    start = cursors.index(after) + 1 if after else 0
    stop = len(nodes) if first is None else min(start + first, len(nodes))
    edges = [
        {"node": nodes[at], "cursor": cursors[at], **edge_fields(nodes[at])}
        for at in range(start, stop)
    ]
    return Connection(
        total_count=len(nodes),
        edges=edges,
        page_info=PageInfo(cursors[stop - 1] if edges else None, stop < len(nodes)),
    )
