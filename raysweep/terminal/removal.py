"""Show what `remove` takes away, ask, and say what became of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console

from raysweep.storage.removal import Removal
from raysweep.terminal import text

_SHOWN = 6


def show_plan(console: Console, removal: Removal) -> None:
    """Name what goes, how much that is, and what stays and why."""
    for line in plan_lines(removal):
        console.print(line, soft_wrap=True)


def plan_lines(removal: Removal) -> Iterator[str]:
    """Yield the lines of `show_plan`."""
    for each in removal.going:
        yield f"{each.name}: its folder, {text.size(each.folder_bytes)}"
    for found in removal.recorded:
        runs = text.plural(len(found.runs), "run")
        yield f"{found.where}, as exec has recorded it: {runs}"
    for project, taken in removal.taken.items():
        kept = sum(taken.blobs.values())
        yield (
            f"project {project}: {text.plural(len(taken.runs), 'run')}, "
            f"{_versions(taken.versions)}, {text.size(kept)}"
        )
        for ref, by in taken.stay.items():
            stays = "loses its bytes and keeps its record" if ref in taken.dropped else "stays"
            yield f"{ref} {stays}: {_needed_by(by)}"
        for alias, after in taken.aliases.items():
            if after is not None:
                yield f"{alias} moves to {after}"
            elif not alias.endswith(":latest"):  # of which no version is left
                yield _nothing(alias)
    if removal.media_bytes:
        yield f"pictures of the runs: {text.size(removal.media_bytes)}"
    for each in removal.going:
        if each.there is not None:
            where = f" at {each.there}" if each.there else ""
            yield (
                f"W&B's own runs, versions and aliases of {each.name} stay there{where}; delete "
                "them there"
            )
    yield f"{text.size(removal.bytes)} in all"


def confirmed(question: str) -> bool:
    """Ask on the terminal. Only `y` and `yes` mean yes."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_removed(console: Console, removal: Removal) -> None:
    """Say what was removed."""
    names = [each.name for each in removal.going] + [found.what for found in removal.recorded]
    if names:
        console.print(f"removed {_some(names)}: {text.size(removal.bytes)}", soft_wrap=True)
    for name in removal.finished:
        console.print(f"removed what was left of {name}", soft_wrap=True)


def _versions(refs: Sequence[str]) -> str:
    """Format `3 versions (trained-model:v1, …)`."""
    shown = f" ({_some(refs)})" if refs else ""
    return f"{text.plural(len(refs), 'version')}{shown}"


def _needed_by(groups: Sequence[str]) -> str:
    return f"{_some(groups)} needs it" if groups else "an alias or another sweep's result names it"


def _nothing(alias: str) -> str:
    name, _, what = alias.partition(":")
    return f"no {name} has {what} then, until a sweep gives it one"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
