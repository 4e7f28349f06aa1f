"""Order a group's runs and versions for publishing: the order in which they were recorded.

Whole runs cannot be ordered: in a population two trials may each have used a checkpoint of the
other. Their events can: a version is always logged before it is used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from raysweep.tracking.port import RunRecord
from raysweep.tracking.trackio.artifacts import GraphEvent


@dataclass(frozen=True)
class Step:
    """A run logs the version `ref`, or ends (None). `uses`: its inputs since its last step."""

    run_id: str
    ref: str | None
    uses: tuple[str, ...]


def steps(records: Sequence[RunRecord], group: str, events: Sequence[GraphEvent]) -> list[Step]:
    """List all steps of the group's runs, and of the runs that made their inputs, transitively.

    `records` are all runs of the project, oldest first, and `events` all their inputs and outputs,
    in order. Every run ends with a step of its own, after its last event, so that a run which logs
    one version is published completely before the next run. Runs without events come last.
    """
    wanted = _with_producers(records, group, events)
    last = {event.run_id: number for number, event in enumerate(events)}
    used: defaultdict[str, list[str]] = defaultdict(list)
    found: list[Step] = []
    for number, event in enumerate(events):
        run_id = event.run_id
        if run_id not in wanted:
            continue
        if event.direction == "input":
            used[run_id].append(event.ref)
        else:
            found.append(Step(run_id, event.ref, tuple(used.pop(run_id, ()))))
        if last[run_id] == number:
            found.append(Step(run_id, None, tuple(used.pop(run_id, ()))))
    idle = (record.id for record in records if record.id in wanted and record.id not in last)
    return found + [Step(run_id, None, ()) for run_id in idle]


def own_runs(records: Sequence[RunRecord], group: str) -> set[str]:
    """Return the ids of the group's runs, and of others that programs of the same sweep began:
    these have the group that their script gave them."""
    mine = [record for record in records if record.group == group]
    sweeps = {record.attributes.get("sweep") for record in mine} - {None}
    others = (record.id for record in records if record.attributes.get("sweep") in sweeps)
    return {record.id for record in mine} | set(others)


def _with_producers(
    records: Sequence[RunRecord], group: str, events: Sequence[GraphEvent]
) -> set[str]:
    """Return the ids of the group's runs and of all runs that they depend on."""
    by_id = {record.id: record for record in records}
    producers: dict[str, str] = {}
    for event in events:
        if event.direction == "output" and event.run_id in by_id:
            producers.setdefault(event.ref, event.run_id)
    wanted = own_runs(records, group)
    todo = [record.id for record in records if record.id in wanted]
    while todo:
        for ref in by_id[todo.pop()].used:
            producer = producers.get(ref)
            if producer is not None and producer not in wanted:
                wanted.add(producer)
                todo.append(producer)
    return wanted
