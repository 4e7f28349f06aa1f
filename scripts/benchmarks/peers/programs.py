"""The users' programs that are measured, and what they note of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "programs"


def sweep(program: str, trials: int) -> dict[str, Any]:
    """Return a grid of so many trials of the program."""
    return {
        "program": program,
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"x": {"values": list(range(trials))}},
        "command": ["${interpreter}", "${program}", "${args}"],
    }


def read_notes(folder: str, trials: int) -> list[dict[str, float]]:
    """Return what each run of the program noted. Raises AssertionError if one noted nothing."""
    notes = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    assert len(notes) == trials, f"{len(notes)} of {trials} programs came to their end"
    return notes


def cadence_s(notes: list[dict[str, float]], at_once: int) -> float:
    """Return the seconds between the starts of two programs, the first of each place aside."""
    starts = sorted(each["began"] for each in notes)
    return (starts[-1] - starts[at_once - 1]) / (len(starts) - at_once)
