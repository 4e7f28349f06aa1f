"""A stored sweep whose journal a test writes, event by event, without Ray."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from raysweep.storage.reading import StoredSweep
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder

from workshop import digits_config

ACCURACY = "validation/accuracy"
BEGAN = 1_796_000_000.0
"""The Unix time of the first event."""


@dataclass
class ToldSweep:
    """Writes events as a driver does. `dated`: with their times and workers, as journals have them
    now; else as those of earlier versions."""

    folder: SweepFolder
    dated: bool = True
    at: float = 5.0
    away_s: float = 0.0
    """Seconds, so far, in which no driver ran: not of the sweep's own time."""
    events: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def create(
        root: Path, name: str = "told", *, dated: bool = True, **sections: dict[str, Any]
    ) -> ToldSweep:
        """Create the folder, and write the first event."""
        record = SweepRecord(name, "5ca1ab1e", "artifacts-example", None, "trackio", created(0))
        config = digits_config(**sections).to_dict()
        sweep = ToldSweep(Storage(root).create(record, config), dated)
        versions = {"raysweep": "0.1.0", "ray": "2.54.1"}
        trials = {"trials": 4} if dated else {}
        return sweep.tell("started", config=config, versions=versions, **trials)

    def tell(self, event: str, after_s: float = 0.0, **fields: Any) -> ToldSweep:
        """Append an event, `after_s` seconds after the last one."""
        self.at += after_s
        when = {"at": self.at, **({"time": BEGAN + self.away_s + self.at} if self.dated else {})}
        with self.folder.journal.open("a") as file:
            file.write(json.dumps({"event": event, **when, **fields}) + "\n")
        return self

    def trial(self, index: int, accuracies: Sequence[float] = (), **values: Any) -> ToldSweep:
        """Start a trial, and let it report these accuracies, a second each."""
        self.tell("trial", index=index, values=values, repeat=0)
        if self.dated:
            self.tell("begun", 1, index=index)
        for epochs in range(1, len(accuracies) + 1):
            self.epoch(index, epochs, accuracies[:epochs])
        return self

    def epoch(self, index: int, epochs: int, accuracies: Sequence[float]) -> ToldSweep:
        """Report the last of the accuracies."""
        rows = [{"epoch": i, ACCURACY: each} for i, each in enumerate(accuracies)]
        best = max(rows, key=lambda row: -1 if math.isnan(row[ACCURACY]) else row[ACCURACY])
        worker = {"node": "a-node", "pid": 4711} if self.dated and epochs == 1 else {}
        more = {"ends": False, "last": False, "values": None, "cloned": None, "member": None}
        told = {"epochs": epochs, "examples": 100 * epochs, "metrics": rows[-1], "best": best}
        return self.tell("epoch", 1, index=index, **told, **more, **worker)

    def ended(self, index: int, state: str = "completed", **failure: Any) -> ToldSweep:
        """End a trial."""
        return self.tell("ended", 1, index=index, state=state, **{"error": None, **failure})

    def result(self, best: str, artifact: str, **more: Any) -> ToldSweep:
        """Write the sweep's result."""
        view: dict[str, Any] = {
            "sweep": self.folder.path.name,
            "project": "artifacts-example",
            "tracker": "trackio",
            "artifacts": {"digits-raw": "v0"},
            "cached_stages": ["load"],
            "trials": {"total": 2, "completed": 2, "stopped": 0, "failed": 0},
            "best": {"trial": best, "artifact": artifact, "config": {}, "metrics": {}},
            "test": {"loss": 0.5, "accuracy": 91.0},
            "wall_s": self.at + 2,
        }
        self.folder.write_result(view | more)
        return self

    def stored(self) -> StoredSweep:
        return StoredSweep.find(self.folder.path.parent, self.folder.path.name)


def created(after_s: float) -> str:
    """A record's `created`, so many seconds after BEGAN."""
    return datetime.fromtimestamp(BEGAN + after_s, timezone.utc).isoformat(timespec="seconds")


def boom(text: str = "KeyError: 1", line: int = 12) -> Mapping[str, Any]:
    """What the journal says of a trial that failed."""
    return {
        "error": f"{text} (nets.py:{line} in forward)",
        "where": f"/home/me/nets.py:{line}",
        "traceback": f"Traceback (most recent call last):\n{text}",
    }
