"""Format the results as a table for people, and as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One result.

    `value` is a ratio unless `unit` differs; `target` is the required value as text, `met` whether
    it is reached (None: there is no target). `pairs`: the value of each round. `figures`: the
    absolute numbers behind it, which are no claims. `note`: an explanation.
    """

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
        """Make a line whose value must be at most `limit`."""
        return Line(what, value, f"≤ {limit:g}", value <= limit, **more)

    @staticmethod
    def at_least(what: str, value: float, limit: float, **more: Any) -> Line:
        """Make a line whose value must be at least `limit`."""
        return Line(what, value, f"≥ {limit:g}", value >= limit, **more)


def table(header: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Format as Markdown: the header, then one row per line."""
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
    """Write everything as JSON."""
    content = {"header": dict(header), "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(content, indent=2) + "\n")
