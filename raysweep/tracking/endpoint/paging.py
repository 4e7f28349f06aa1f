"""Connections: a page of a list, as GraphQL's Relay convention cuts one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


def opaque(*parts: str) -> str:
    """Make an id as W&B's are: base64 of something that only the server reads."""
    return base64.b64encode("\0".join(parts).encode()).decode()


def parts_of(id: str) -> tuple[str, ...]:
    """Return what `opaque` was given; nothing for an id from elsewhere."""
    try:
        return tuple(base64.b64decode(id, validate=True).decode().split("\0"))
    except (binascii.Error, UnicodeDecodeError):
        return ()


@dataclass(frozen=True)
class Connection:
    """One page; `edges` hold `node` and `cursor`, and what a caller adds."""

    total_count: int
    edges: list[dict[str, Any]]
    page_info: dict[str, Any]


def page(
    nodes: Sequence[Any],
    first: int | None = None,
    after: str | None = None,
    more: Callable[[Any], dict[str, Any]] = lambda _node: {},
) -> Connection:
    """Return up to `first` of the nodes behind the cursor `after`; `more` adds to a node's edge."""
    known = parts_of(after) if after else ()
    start = int(known[1]) + 1 if len(known) == 2 and known[0] == "cursor" else 0
    stop = len(nodes) if first is None else min(start + first, len(nodes))
    edges = [
        {"node": nodes[at], "cursor": opaque("cursor", str(at)), **more(nodes[at])}
        for at in range(start, stop)
    ]
    end = {
        "graphql_type": "PageInfo",
        "end_cursor": edges[-1]["cursor"] if edges else None,
        "has_next_page": stop < len(nodes),
    }
    return Connection(len(nodes), edges, end)
