"""What is asked to be removed from a project, and what goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Removed:
    """The sweeps to be removed: their names and ids; and what must stay.

    `runs` and `of_agents`: runs that `exec` has recorded, and sweeps that agents ran under it, by
    their ids.

    `others`: the ids of the storage's other sweeps; None if one of them cannot be read. `pins`: the
    versions, `name:vK`, that other sweeps refer to outside of the project's graph; `pins_there`:
    those in W&B's numbers, and `there`: the prefix of the aliases that hold these. `takes_best`:
    names of other sweeps; the winner of the first of them that has one takes the alias `best`, if a
    removed version has it. `force`: drop the bytes of versions that stay.
    """

    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    of_agents: tuple[str, ...] = ()
    others: tuple[str, ...] | None = ()
    pins: tuple[str, ...] = ()
    pins_there: tuple[str, ...] = ()
    there: str = "wandb-"
    takes_best: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class Taken:
    """What goes. `runs` and `versions` are ids and references `name:vK`. `stay`: versions that the
    sweeps made and that others need → who needs them, in words. `dropped`: those of them that lose
    their bytes. `aliases`: `name:alias` → the version that it moves to, or None. `blobs`: digest →
    size in bytes. `media`: the runs whose pictures go.
    """

    runs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    stay: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    blobs: Mapping[str, int] = field(default_factory=dict)
    media: tuple[str, ...] = ()
