"""Which bytes of a project one sweep alone needs, and which several need: all sweeps in one pass.

A version is needed as `reach` says it. Each run and version gets a label, the only sweep that needs
it, or that several do. A label changes twice at most, so the pass takes time in proportion to the
graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from raysweep.tracking.trackio.artifacts import GraphEvent
from raysweep.tracking.trackio.notes import Version
from raysweep.tracking.trackio.reach import Edges

_SEVERAL = ""
"""The label of what several need; no sweep has that name."""


@dataclass(frozen=True)
class Shares:
    """Bytes of blobs: sweep → those that it alone needs, and those that others need, too."""

    alone: Mapping[str, int]
    shared: Mapping[str, int]


def shares(
    events: Iterable[GraphEvent],
    versions: Mapping[str, Version],
    sweep_of: Callable[[str], str | None],
    pins: Mapping[str, Collection[str]],
    held: Collection[str],
    files: Collection[tuple[str, str, int]] = (),
) -> Shares:
    """Compute the shares. `sweep_of`: run id → its sweep, None for one of no sweep of the storage;
    `pins`: sweep → versions that it names outside of the graph; `held`: versions that stay whatever
    is removed; `files`: run, digest and bytes of each file of a run."""
    edges = Edges(events)
    sweeps = {run: sweep_of(run) for run in (*edges.used, *edges.logged)}
    labels = _Labels(edges)
    for sweep, refs in pins.items():
        labels.need([ref for ref in refs if ref in versions], sweep)
    for run, of in sweeps.items():
        if of is not None:
            labels.own(run, of)
    for run, of in sweeps.items():
        if of is None and run not in labels.runs:  # no sweep came from it: it stays
            labels.own(run, _SEVERAL)
    labels.need([*held, *(ref for ref in versions if not edges.producers.get(ref))], _SEVERAL)
    of_files = [
        (labels.runs.get(run, sweep_of(run) or _SEVERAL), digest, size)
        for run, digest, size in files
    ]
    return _added_up(edges, versions, sweeps, pins, labels.versions, of_files)


class _Labels:
    """The labels so far, of runs and of versions."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self.runs: dict[str, str] = {}
        self.versions: dict[str, str] = {}

    def own(self, run: str, label: str) -> None:
        """The run, with all that it used and logged, is needed by `label`."""
        self.runs[run] = _joined(self.runs.get(run), label)
        self.need(self._edges.logged[run], label)
        self.need(self._edges.used[run], self.runs[run])

    def need(self, refs: Iterable[str], label: str) -> None:
        """These versions, and their ancestors, are needed by `label`."""
        queue = [(ref, label) for ref in refs]
        for ref, new in queue:  # grows as it is walked
            joined = _joined(self.versions.get(ref), new)
            if self.versions.get(ref) == joined:
                continue
            self.versions[ref] = joined
            for run in self._edges.producers[ref]:
                found = _joined(self.runs.get(run), joined)
                if self.runs.get(run) != found:
                    self.runs[run] = found
                    queue += [(used, found) for used in self._edges.used[run]]


def _joined(one: str | None, other: str) -> str:
    return other if one in (None, other) else _SEVERAL


def _added_up(
    edges: Edges,
    versions: Mapping[str, Version],
    sweeps: Mapping[str, str | None],
    pins: Mapping[str, Collection[str]],
    labels: Mapping[str, str],
    files: Iterable[tuple[str, str, int]],
) -> Shares:
    """`files`: label, digest and bytes of each file of a run."""
    blobs, sizes = dict[str, str](), dict[str, int]()
    for ref, version in versions.items():
        for digest, size in version.blobs.items():
            sizes[digest] = size
            blobs[digest] = _joined(blobs.get(digest), labels.get(ref, _SEVERAL))
    for label, digest, size in files:
        sizes[digest] = size
        blobs[digest] = _joined(blobs.get(digest), label)
    alone = dict[str, int]()
    for digest, sweep in blobs.items():
        alone[sweep] = alone.get(sweep, 0) + sizes[digest]
    named: dict[str, set[str]] = {sweep: set(refs) for sweep, refs in pins.items()}
    for run, of in sweeps.items():
        if of is not None:
            named.setdefault(of, set()).update(edges.used[run], edges.logged[run])
    shared = {}
    for sweep, refs in named.items():
        its = {digest for ref in refs if ref in versions for digest in versions[ref].blobs}
        shared[sweep] = sum(sizes[digest] for digest in its if blobs[digest] == _SEVERAL)
    return Shares(alone, shared)
