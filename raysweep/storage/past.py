"""What a sweep's journal tells of the processes that drove it before this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Past:
    """The events so far; none for a new sweep."""

    events: Sequence[Mapping[str, Any]] = ()

    @property
    def elapsed_s(self) -> float:
        """How long it had been driven when it was last heard of."""
        return float(self.events[-1]["at"]) if self.events else 0.0

    @property
    def started(self) -> Mapping[str, Any]:
        """The first event."""
        return self.events[0]

    @property
    def boot(self) -> str | None:
        """The start of the machine in which the sweep was driven last; None where nobody noted
        it."""
        starts = [event for event in self.events if event["event"] in ("started", "resumed")]
        return starts[-1].get("boot") if starts else None

    @property
    def precision(self) -> str | None:
        """What `train.precision: auto` means in the sweep; None where nobody noted it."""
        noted = [event["precision"] for event in self.events if event.get("precision")]
        return noted[0] if noted else None

    def stages(self) -> dict[str, Mapping[str, Any]]:
        """Stage → what it gave: `ref` and `cached`."""
        return {event["stage"]: event for event in self.of("stage")}

    def epochs_told(self) -> dict[int, int]:
        """Trial that has not ended → how many epochs it had told; 0 for none."""
        told: dict[int, int] = {}
        ended = set(self.ended())
        for event in self.events:
            if event["event"] in ("trial", "retry"):
                told[event["index"]] = 0
            elif event["event"] == "epoch":
                told[event["index"]] = event["epochs"]
        return {index: epochs for index, epochs in told.items() if index not in ended}

    def ended(self) -> dict[int, str]:
        """Trial that has ended, and was not started anew since → how."""
        found: dict[int, str] = {}
        for event in self.events:
            if event["event"] == "ended":
                found[event["index"]] = event["state"]
            elif event["event"] == "retry":
                found.pop(event["index"], None)
        return found

    def failed(self) -> list[int]:
        """The trials that failed, in the order of the sweep."""
        return sorted(index for index, state in self.ended().items() if state == "failed")

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """The events of one kind, in order."""
        return [event for event in self.events if event["event"] == kind]
