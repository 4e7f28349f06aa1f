"""The table that people read, and the JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One thing measured. `value` is a ratio unless `unit` says otherwise, `target` the words of
    what it is to be, `met` whether it is (None: nothing is asked of it). `pairs` are the rounds'
    own values, `figures` the absolute numbers behind them, which claim nothing. `note`: why."""

    what: str
    value: float
    target: str = ""
    met: bool | None = None
    unit: str = "×"
    pairs: Sequence[float] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @staticmethod
    def at_most(what: str, value: float, limit: float, **more: Any) -> Line:
        """A line whose value may not be over `limit`."""
        return Line(what, value, f"≤ {limit:g}", value <= limit, **more)

    @staticmethod
    def at_least(what: str, value: float, limit: float, **more: Any) -> Line:
        """A line whose value may not be under `limit`."""
        return Line(what, value, f"≥ {limit:g}", value >= limit, **more)


def table(header: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Markdown: the header in two lines, then a row a line."""
    machine = f"{header['cpu']}, {header['cpus']} CPUs ({' '.join(header['cpu_flags']) or 'plain'})"
    machine += f", {header['gpu']}" if header.get("gpu") else ""
    versions = ", ".join(
        f"{name} {header[name]}" for name in ("python", "ray", "torch", "trackio") if header[name]
    )
    rows = [
        f"{machine}; {versions}; commit {header['commit']}, {header['date']}",
        "",
        "| what | measured | target | met | of (medians) |",
        "|---|---|---|---|---|",
        *(_row(line) for line in lines),
    ]
    notes = [f"- {line.what}: {line.note}" for line in lines if line.note]
    return "\n".join([*rows, *(["", *notes] if notes else [])])


def _row(line: Line) -> str:
    met = {True: "yes", False: "**no**", None: ""}[line.met]
    spread = ""
    if len(line.pairs) > 1:
        spread = f" ({_number(min(line.pairs))} to {_number(max(line.pairs))})"
    figures = ", ".join(f"{name} {_number(value)}" for name, value in line.figures.items())
    measured = f"{_number(line.value)} {line.unit}{spread}"
    return f"| {line.what} | {measured} | {line.target} | {met} | {figures} |"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def write_json(path: Path, header: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """All of it, for a program."""
    content = {"header": dict(header), "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(content, indent=2) + "\n")
