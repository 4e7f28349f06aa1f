"""Which runs and versions of a project nothing needs any more, once some sweeps are gone.

A version is needed by the runs that logged or used it; a run, by those who need one of its outputs,
since the lineage of a version is its producer, what that used, and so on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from raysweep.tracking.trackio.artifacts import GraphEvent


class Sweeps(Protocol):
    """The sweeps to be removed, and those that stay: see `removal.Removed`."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    @property
    def runs(self) -> tuple[str, ...]: ...

    @property
    def others(self) -> tuple[str, ...] | None: ...


@dataclass(frozen=True)
class Removable:
    """`runs` and `versions` can go. `stay`: versions that the removed sweeps logged and others
    need → the groups of the runs that use them; empty for one that only a name holds."""

    runs: tuple[str, ...]
    versions: tuple[str, ...]
    stay: Mapping[str, tuple[str, ...]]


class Edges:
    """The project's graph as four maps: run → versions and version → runs, each way."""

    def __init__(self, events: Iterable[GraphEvent]) -> None:
        self.used: dict[str, list[str]] = defaultdict(list)
        self.logged: dict[str, list[str]] = defaultdict(list)
        self.users: dict[str, list[str]] = defaultdict(list)
        self.producers: dict[str, list[str]] = defaultdict(list)
        for event in events:
            if event.direction == "input":
                self.used[event.run_id].append(event.ref)
                self.users[event.ref].append(event.run_id)
            else:
                self.logged[event.run_id].append(event.ref)
                self.producers[event.ref].append(event.run_id)


def removable(
    events: Iterable[GraphEvent],
    groups: Mapping[str, str],
    versions: Collection[str],
    pins: Collection[str],
    sweeps: Sweeps,
    recorded: Collection[str] = (),
) -> Removable:
    """Compute what can go. `groups`: run id → group, of raysweep's own runs; `pins`: versions that
    stay whatever the graph says; `recorded`: runs of `exec`, which go only by their own names.

    Of the runs that remain from sweeps that were removed before, and of those that were copied
    here from W&B, those go that only the removed sweeps needed.
    """
    edges = Edges(events)
    mine = [run for run in groups if _is_of(run, sweeps.ids) or run in sweeps.runs]
    lone = _orphans(edges, mine, groups, sweeps.others) - ({*recorded} - {*mine})
    candidates = {*mine, *lone}
    roots = {*edges.used, *edges.logged, *groups} - candidates
    kept_runs, kept = _needed(edges, roots, pins, candidates)
    for ref in versions:  # logged by nobody whom we know
        if not edges.producers.get(ref):
            kept.add(ref)
    logged = dict.fromkeys(ref for run in groups if run in candidates for ref in edges.logged[run])
    own = {ref for run in mine for ref in edges.logged[run]}
    stay = {ref: _groups_of(edges, ref, groups, set(mine)) for ref in logged if ref in kept & own}
    return Removable(
        runs=tuple(run for run in groups if run in candidates and run not in kept_runs),
        versions=tuple(ref for ref in logged if ref not in kept),
        stay=stay,
    )


def _is_of(run_id: str, ids: Iterable[str]) -> bool:
    """Whether it is a run of one of these sweeps: see `SweepIdentity.run_id`."""
    return any(run_id.startswith(f"{each}-") for each in ids)


def _orphans(
    edges: Edges, mine: Iterable[str], groups: Mapping[str, str], others: Collection[str] | None
) -> set[str]:
    """The ancestors of the removed runs that are of no sweep of the storage."""
    if others is None:  # a sweep cannot be read: they may be its own
        return set()
    found, queue = set(mine), list(mine)
    for run in queue:  # grows as it is walked
        for ref in edges.used[run]:
            new = {each for each in edges.producers[ref] if each in groups} - found
            found |= new
            queue += new
    return {run for run in found if not _is_of(run, others)}


def _needed(
    edges: Edges, roots: Iterable[str], pins: Iterable[str], candidates: Collection[str]
) -> tuple[set[str], set[str]]:
    """The candidates and the versions that the roots and the pins need, upwards."""
    runs, versions = set[str](), set[str]()
    queue = [*pins]
    for run in roots:
        queue += [*edges.used[run], *edges.logged[run]]
    for ref in queue:  # grows as it is walked
        if ref in versions:
            continue
        versions.add(ref)
        producers = edges.producers[ref]
        if any(run not in candidates for run in producers):
            continue  # its lineage is whole without the candidates
        for run in producers:
            if run not in runs:
                runs.add(run)
                queue += edges.used[run]
    return runs, versions


def _groups_of(
    edges: Edges, ref: str, groups: Mapping[str, str], mine: Collection[str]
) -> tuple[str, ...]:
    """The groups of the runs outside of `mine` that need the version, the first ones first."""
    found, seen, queue = dict[str, None](), {ref}, [ref]
    for each in queue:  # grows as it is walked
        for run in edges.users[each]:
            if run not in mine:
                found[groups.get(run, run)] = None
            new = [out for out in edges.logged[run] if out not in seen]
            seen.update(new)
            queue += new
    return tuple(found)
