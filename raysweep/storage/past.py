"""A sweep's history, from its journal: what its earlier drivers did."""

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
        """The sweep's own time at its last event."""
        return float(self.events[-1]["at"]) if self.events else 0.0

    @property
    def started(self) -> Mapping[str, Any]:
        """The first event."""
        return self.events[0]

    @property
    def boot(self) -> str | None:
        """The boot id of the machine of the last driver; None if it was not recorded."""
        starts = [event for event in self.events if event["event"] in ("started", "resumed")]
        return starts[-1].get("boot") if starts else None

    def setting(self, name: str) -> str | None:
        """Return what was decided first for a setting that the config leaves open; None if nothing
        was recorded."""
        return next((event[name] for event in self.events if event.get(name)), None)

    @property
    def promote(self) -> str | None:
        """What the last `resume --promote` asked for; None where none did."""
        asked = [event["promote"] for event in self.of("resumed") if event.get("promote")]
        return str(asked[-1]) if asked else None

    def stages(self) -> dict[str, Mapping[str, Any]]:
        """Map each stage to its outcome: `ref` and `cached`."""
        return {event["stage"]: event for event in self.of("stage")}

    def epochs_told(self) -> dict[int, int]:
        """Map each unfinished trial to the number of epochs that it has reported."""
        reported: dict[int, int] = {}
        ended = set(self.ended())
        for event in self.events:
            if event["event"] in ("trial", "retry"):
                reported[event["index"]] = 0
            elif event["event"] == "epoch":
                reported[event["index"]] = event["epochs"]
        return {index: epochs for index, epochs in reported.items() if index not in ended}

    def ended(self) -> dict[int, str]:
        """Map each trial that has ended, and was not restarted since, to how it ended."""
        found: dict[int, str] = {}
        for event in self.events:
            if event["event"] == "ended":
                found[event["index"]] = event["state"]
            elif event["event"] == "retry":
                found.pop(event["index"], None)
        return found

    def failed(self) -> list[int]:
        """List the trials that failed, in the order of the sweep."""
        return sorted(index for index, state in self.ended().items() if state == "failed")

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """List the events of one kind, in order."""
        return [event for event in self.events if event["event"] == kind]
