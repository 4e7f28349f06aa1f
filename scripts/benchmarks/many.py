"""A sweep of many no-op trials, run once for all measures that look at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.turns import run_peer

TRIALS = 10_000


def ended_sweep(bench: Bench) -> tuple[Path, Mapping[str, Any]]:
    """Return the storage of an ended sweep of TRIALS trials, and what `raysweep_nothing` measured
    while it ran: in 3 minutes on 2 quiet cores, the first time that it is asked for."""
    storage, noted = bench.folder / "many" / "runs", bench.folder / "many" / "figures.json"
    if not noted.exists():
        bench.log(f"a sweep of {TRIALS:,} trials that do nothing")
        figures = run_peer("raysweep_nothing", storage=str(storage), trials=TRIALS, cpus=bench.cpus)
        noted.write_text(json.dumps(figures))
    return storage, json.loads(noted.read_text())


def cut_off(storage: Path, at: int, to: Path) -> Path:
    """Copy the storage with its sweep as if its driver had been killed before trial `at`."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(storage, to, symlinks=True)
    [folder] = [path.parent for path in to.glob("*/sweep.json")]
    (folder / "result.json").unlink()
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    events = (json.loads(line) for line in lines)
    here = next(
        place
        for place, event in enumerate(events)
        if event["event"] == "trial" and event["index"] == at
    )
    journal.write_bytes(b"".join(lines[:here]))
    return to
