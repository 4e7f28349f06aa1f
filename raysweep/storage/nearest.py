"""Name the nearest sweeps, and how many there are, where a storage has none of a given name."""

from __future__ import annotations

from collections.abc import Sequence

from raysweep.errors import UserError
from raysweep.invocation import program

_MOST = 3


def no_such_sweep(
    name: str | None, there: Sequence[str], shown: str, option: str = ""
) -> UserError:
    """Return the error for `name`, None for the latest. `there`: all sweeps of the storage that can
    be read, oldest first; `shown`: the storage as the user knows it; `option`: see Storage."""
    what = "no sweep" if name is None else f"no sweep named {name or repr(name)}"
    if not there:
        return UserError(
            f"{what} in {shown} (there: none yet); start one with `{program()} run{option}`"
        )
    count = f"{len(there)} there" if len(there) > 1 else "1 there"
    near = nearest(name or "", there)
    names = f"the nearest: {', '.join(near)}" if near else f"the latest: {there[-1]}"
    return UserError(f"{what} in {shown} ({count}; {names}); see `{program()} list{option}`")


def nearest(name: str, there: Sequence[str]) -> list[str]:
    """Return at most three names like `name`, the nearest first, of equally near ones the latest.

    A sweep's name ends with its time, which nobody types: each also counts by its beginning, as
    long as `name`.
    """
    import difflib  # takes 5 ms: only for wrong commands

    full = {each[: len(name)]: each for each in there} | {each: each for each in there}
    close = difflib.get_close_matches(name, list(full), n=2 * _MOST)
    return list(dict.fromkeys(full[each] for each in close))[:_MOST]
