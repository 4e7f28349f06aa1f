"""The file stream: history, summary, events and console of a run, as lines at an offset."""

from __future__ import annotations

import json
from typing import Any

from wandb_server.errors import Violation
from wandb_server.runs import CONSOLE, EVENTS, HISTORY, SUMMARY, Run

_LINES = {HISTORY, EVENTS, CONSOLE}
_KEYS = {"files", "complete", "exitcode", "uploaded", "dropped", "preempting"}


def apply(run: Run, message: dict[str, Any], now: str) -> None:
    """Add what the message brings. Raises Violation for what no client sends."""
    if unknown := message.keys() - _KEYS:
        raise Violation(f"file_stream: unknown {', '.join(sorted(unknown))}")
    for name, chunk in (message.get("files") or {}).items():
        _add(run, name, chunk["offset"], chunk["content"])
    run.heartbeat_at = now
    if message.get("complete"):
        run.exit_code = message["exitcode"]
        run.state = "finished" if run.exit_code == 0 else "failed"


def _add(run: Run, name: str, offset: int, content: list[str]) -> None:
    """Lines sent again, after an answer that was lost, take the place of their first copies."""
    if name == SUMMARY:
        run.summary_metrics = _strict(content[-1])
        return
    if name not in _LINES:
        raise Violation(f"file_stream: unknown file {name}")
    lines = run.streams.setdefault(name, [])
    if offset > len(lines):
        raise Violation(f"file_stream: {name} has {len(lines)} lines, the next is put at {offset}")
    kept = content if name == CONSOLE else [_strict(line) for line in content]
    lines[offset : offset + len(content)] = kept


def _strict(text: str) -> str:
    """The JSON object with "NaN", "Infinity" and "-Infinity" as strings, as W&B gives them back."""
    value = json.loads(text, parse_constant=str)
    if not isinstance(value, dict):
        raise Violation(f"file_stream: {text} is no row")
    return json.dumps(value, allow_nan=False)
