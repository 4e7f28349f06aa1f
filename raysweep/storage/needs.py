"""What the sweeps that stay in a storage need of its tracker, beyond the project's graph.

A sweep that reused a stage refers to the version in its journal and its result, maybe before any
run of it has used the version.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.journal import read_journal
from raysweep.storage.past import Past
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.mirror.names import HERE
from raysweep.tracking.names import THERE
from raysweep.tracking.trackio.taken import Removed


@dataclass(frozen=True)
class Kept:
    """A sweep that stays. `refs`: the versions that it names; `promoted`: whether its winner took
    the alias `best`."""

    record: SweepRecord
    refs: tuple[str, ...]
    promoted: bool


@dataclass(frozen=True)
class Others:
    """The sweeps that stay, oldest first; `whole`: whether all of them can be read."""

    sweeps: tuple[Kept, ...]
    whole: bool

    @staticmethod
    def of(storage: Storage, going: Collection[str]) -> Others:
        """Read what the storage's sweeps refer to, but those in folders named `going`."""
        if storage.origin is not None:
            storage.origin.results()
        unreadable: list[str] = []
        found = []
        for folder in storage.sweeps(unreadable.append):
            if folder.path.name not in going:
                try:
                    found.append(kept_sweep(storage, folder))
                except UserError as error:
                    unreadable.append(str(error))
        return Others(tuple(found), not unreadable)

    def request(self, project: str, going: Sequence[SweepRecord], *, force: bool) -> Removed:
        """Ask the project's tracker to remove the sweeps `going`. Of a sweep whose folder was
        copied, only the folder goes: its runs are also the copy's."""
        here = [each for each in self.sweeps if each.record.project == project]
        ids = {each.record.id for each in here}
        gone = [each for each in going if each.id not in ids]
        return Removed(
            names=tuple(each.name for each in gone),
            ids=tuple(each.id for each in gone),
            others=tuple(sorted(ids)) if self.whole else None,
            pins=tuple(ref for each in here for ref in pinned_here(each)),
            pins_there=tuple(ref for each in here for ref in pinned_there(each)),
            there=THERE,
            takes_best=tuple(each.record.name for each in reversed(here) if each.promoted),
            force=force,
        )


def kept_sweep(storage: Storage, folder: SweepFolder) -> Kept:
    """Read what a sweep refers to. Raises UserError if that cannot be read."""
    record, result = folder.record(), folder.result()
    if result is not None:
        return Kept(record, tuple(_of_result(result)), bool(result.get("promoted", True)))
    if storage.origin is not None:
        storage.origin.journal(folder.path.name)
    stages = Past(read_journal(folder.journal)).stages()
    return Kept(record, tuple(str(event["ref"]) for event in stages.values()), promoted=False)


def _of_result(result: Mapping[str, Any]) -> Iterator[str]:
    for name, version in (result.get("artifacts") or {}).items():
        yield f"{name}:{version}"
    if (best := (result.get("best") or {}).get("artifact")) is not None:
        yield str(best)


def pinned_there(sweep: Kept) -> Iterator[str]:
    """Yield the references of a sweep in W&B that have W&B's numbers."""
    return (ref for ref in sweep.refs if sweep.record.tracker == "wandb")


def pinned_here(sweep: Kept) -> Iterator[str]:
    """Yield the references that have the numbers that are used here."""
    for ref in sweep.refs:
        name, _, spec = ref.partition(":")
        if sweep.record.tracker != "wandb":
            yield ref
        elif spec.startswith(HERE):
            yield f"{name}:v{spec.removeprefix(HERE)}"
