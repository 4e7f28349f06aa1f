"""The pictures and tables that the evaluation logged to the report run."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from raysweep.tracking.store import Pictures, Table

if TYPE_CHECKING:
    from raysweep.tracking.trackio.store import TrackioStore

HARDEST = "high-loss-examples"
"""The built-in evaluation's pictures: captioned `predicted,label`, the hardest last."""

_MOST_PICTURES = 64
_MOST_BYTES = 1_500_000
_MOST_ROWS = 200


def media_json(store: TrackioStore, run_id: str) -> dict[str, Any]:
    """Return `{"pictures": […], "tables": […]}`: what the run last logged under each key."""
    latest = {
        key: media
        for row in (store.rows(run_id) if store.runs(run_id=run_id) else [])
        for key, media in row.media.items()
    }
    pictures = [_pictures(k, m) for k, m in latest.items() if isinstance(m, Pictures) and m.items]
    tables = [_table(k, m) for k, m in latest.items() if isinstance(m, Table) and m.rows]
    return {"pictures": pictures, "tables": tables}


def _pictures(key: str, media: Pictures) -> dict[str, Any]:
    """Convert the pictures, the hardest first, up to _MOST_BYTES of them."""
    hardest = key == HARDEST
    items, size = list[dict[str, str]](), 0
    for png, caption in reversed(media.items) if hardest else media.items:
        size += len(png)
        if len(items) == _MOST_PICTURES or size > _MOST_BYTES:
            break
        source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        items.append({"src": source, "caption": _in_words(caption) if hardest else caption})
    title = "Hardest pictures" if hardest else key
    return {"title": title, "hardest": hardest, "items": items, "total": len(media.items)}


def _in_words(caption: str) -> str:
    """Turn `4,0` into `predicted 4, is 0`."""
    found = re.fullmatch(r"([^,]*),([^,]*)", caption)
    return f"predicted {found[1]}, is {found[2]}" if found else caption


def _table(key: str, table: Table) -> dict[str, Any]:
    """Convert a table. `matrix`: whether it is square with a label before the numbers, as a
    confusion matrix is."""
    rows = [list(row) for row in table.rows]
    counts = [cell for row in rows for cell in row[1:]]
    square = len(table.columns) == len(rows) + 1 >= 3
    matrix = square and all(isinstance(cell, int) and cell >= 0 for cell in counts)
    return {
        "key": key,
        "columns": list(table.columns),
        "rows": rows if matrix else rows[:_MOST_ROWS],
        "total": len(rows),
        "matrix": matrix,
    }
