"""Put a page together: its data, its scripts and the plotting library, in one file of HTML."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

_SCRIPTS = (
    "dom.js",
    "format.js",
    "model.js",
    "filter.js",
    "theme.js",
    "history.js",
    "parallel.js",
    "slices.js",
    "curves.js",
    "timeline.js",
    "detail.js",
    "table.js",
    "evaluation.js",
    "lineage.js",
    "about.js",
    "main.js",
)
"""Ours, in the order in which they are run; they share one scope."""


def page(title: str, summary: str, document: Mapping[str, Any]) -> str:
    """Return the whole page. `summary` is what a browser without scripts shows.

    Data and library are gzip in base64, which holds no character that ends a script.
    """
    data = json.dumps(document, allow_nan=False, separators=(",", ":"))
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    return Template(_asset("page.html")).substitute(
        title=html.escape(title),
        summary=html.escape(summary),
        style=_asset("page.css"),
        data=_packed(data.encode(), 6),
        library=_library(),
        script=script,
    )


def _asset(name: str) -> str:
    return files("raysweep.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    """Return plotly.js, 4.8 MB, in 2 MB."""
    from plotly.offline import get_plotlyjs

    return _packed(get_plotlyjs().encode(), 9)


def _packed(data: bytes, level: int) -> str:
    return base64.b64encode(gzip.compress(data, level, mtime=0)).decode()
