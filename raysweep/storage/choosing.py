"""Choose several sweeps of a storage by their names, beginnings or patterns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from raysweep.errors import UserError
from raysweep.storage.nearest import no_such_sweep
from raysweep.storage.record import sweep_names
from raysweep.storage.storage import Storage
from raysweep.storage.sweep_folder import SweepFolder

_SHOWN = 4


def chosen(storage: Storage, names: Sequence[str], over: Collection[str] = ()) -> list[SweepFolder]:
    """Return the sweeps of these names, each once, in the order of the names.

    A name is a sweep's own, or how only one sweep's name begins, or a pattern with `*`, which means
    all that match. A name in `over` may mean none. Raises UserError for one that means no sweep or,
    without a pattern, several: who removes must not guess.
    """
    there = sorted(sweep_names(storage.root))
    found: dict[str, None] = {}
    for name in names:
        found |= dict.fromkeys(_meant(storage, name, there, over))
    return [storage.folder(name) for name in found]


def _meant(
    storage: Storage, name: str, there: Sequence[str], over: Collection[str]
) -> Sequence[str]:
    if name in there:
        return [name]
    if "*" in name or "?" in name:
        matching = [each for each in there if fnmatchcase(each, name)]
    else:
        matching = [each for each in there if name and each.startswith(name)]
        if len(matching) > 1:
            shown = ", ".join(matching[:_SHOWN]) + (", …" if len(matching) > _SHOWN else "")
            raise UserError(
                f"{name}: {len(matching)} sweeps of {storage.shown} begin so ({shown}); write more "
                f"of the name, or '{name}*' for all of them"
            )
    if not matching and name not in over:
        readable = [each.path.name for each in storage.sweeps()]
        raise no_such_sweep(name, readable, storage.shown, storage.option)
    return matching
