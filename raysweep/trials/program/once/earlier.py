"""Whether a program that runs once has run before, unchanged and on the same versions.

Its identity is its command line and the bytes of the files that it names or imports. It is kept
with its run, beside what the run used, as the program asked for it (`raw:latest`): where that is
another version now, the program runs again. What else a program reads nobody knows.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysweep.config import Config
from raysweep.errors import ArtifactNotFound, UserError
from raysweep.stages.fingerprint import fingerprint
from raysweep.tracking import ArtifactVersion, RunRecord, Tracker
from raysweep.tracking.store import Resolves
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.trials.program.calls import Call

NOTE = "once"
"""The key of the run attribute that `note` makes and `find` reads."""

VERSION = 1
"""To be raised where the same program would have to run again."""

_ENVVAR = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


@dataclass(frozen=True)
class Logged:
    """What a program that runs once has logged: its versions, `name:vK`, in order; the aliases that
    it gave to each, the numbers of its run's summary."""

    run_id: str
    refs: tuple[str, ...]
    aliases: Mapping[str, tuple[str, ...]]
    used: Mapping[str, str]
    """What it asked for, `name:alias` → `name:vK`."""
    summary: Mapping[str, Any]


def kept_in(tracker: Tracker) -> Tracker:
    """Return the tracker of the embedded store alone. There a version has the number by which its
    program's client knows it; in W&B it may have another."""
    store = getattr(tracker, "store", None)
    return tracker if store is None else TrackioTracker(store)


def known_as(tracker: Tracker, ref: str) -> str:
    """Return what people know a version of the embedded store as: in W&B by W&B's number."""
    numbering = getattr(tracker, "numbering", None)
    return ref if numbering is None else str(numbering.presented(_artifact(tracker, ref)).ref)


def _artifact(tracker: Tracker, ref: str) -> ArtifactVersion:
    return kept_in(tracker).artifact(ref)


def identity(call: Call, config: Config, folder: Path, environ: Mapping[str, str]) -> str:
    """Return the fingerprint of a program and all of its own files. `folder`: the user's, in which
    it runs. Raises a UserError for a file that cannot be read."""
    words = [_ENVVAR.sub(lambda found: environ.get(found[1], ""), word) for word in call.words]
    try:
        digests = {_below(path, folder): _sha256(path) for path in own_files(words, folder)}
    except OSError as error:
        raise UserError(
            f"{call.where}: {error.filename}: cannot be read ({error.strerror or error}); whether "
            "the program has run before depends on its content; make it readable"
        ) from error
    settings = {"words": words, "python": config.program.python}
    return fingerprint("program", VERSION, settings, digests)


def _below(path: Path, folder: Path) -> str:
    """Return the file's name in an identity: a project that was moved is the same."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_files(words: list[str], folder: Path) -> list[Path]:
    """Return the files that a command names (`conf.yaml`, `--config=conf.yaml`, with an absolute
    path, too), and the modules beside them or in `folder` that those import, one through another.

    Raises OSError for a module that cannot be read.
    """
    parts = dict.fromkeys(part for word in words for part in (word, word.rpartition("=")[2]))
    named = [path for part in parts if part and _is_file(path := folder / part)]
    # Python looks for modules beside the script that it runs, and below `python -m` where it runs.
    tops = list(dict.fromkeys([folder, *(each.parent for each in named if each.suffix == ".py")]))
    for flag, module in itertools.pairwise(words):
        if flag == "-m":
            named += _modules(module, [folder])
    todo = list(named)
    found: dict[Path, None] = {}
    while todo:
        path = todo.pop()
        if path not in found:
            found[path] = None
            if path.suffix == ".py":
                todo += _imported(path, tops)
    return sorted(found)


def _is_file(path: Path) -> bool:
    """Return whether it is a file. No word is refused: it may be text, longer than any path."""
    try:
        return path.is_file()
    except OSError:
        return False


def _imported(path: Path, tops: list[Path]) -> Iterator[Path]:
    """Yield the modules below `tops` that a file of Python imports anywhere."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # the program will say so itself
    roots = list(dict.fromkeys([path.parent, *tops]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield from _modules(each.name, roots)
        elif isinstance(node, ast.ImportFrom):
            start = roots if node.level == 0 else [_up(path.parent, node.level - 1)]
            for each in node.names:
                name = ".".join(filter(None, (node.module, each.name)))
                yield from _modules(name, [root for root in start if _is_below(root, tops)])


def _is_below(folder: Path, tops: list[Path]) -> bool:
    return any(folder.is_relative_to(top) for top in tops)


def _up(folder: Path, levels: int) -> Path:
    return folder if levels == 0 else _up(folder.parent, levels - 1)


def _modules(name: str, roots: list[Path]) -> Iterator[Path]:
    """Yield the files of a module and its packages: of `a.b` those of `a` and of `a.b`."""
    parts = name.split(".")
    for root in roots:
        for count in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:count])
            for path in (base.with_suffix(".py"), base / "__init__.py", base / "__main__.py"):
                if _is_file(path):
                    yield path


def note(identity: str, logged: Logged) -> dict[str, Any]:
    """Return what is kept with the run."""
    aliases = {ref: list(given) for ref, given in logged.aliases.items()}
    return {
        "fingerprint": identity,
        "used": dict(logged.used),
        "logged": list(logged.refs),
        "aliases": aliases,
    }


def find(
    tracker: Tracker,
    runs: list[RunRecord],
    identity: str,
    moved: Mapping[str, str] | None = None,
) -> Logged | None:
    """Return what the latest of `runs` with that identity has logged, if what it used is what the
    same names mean now, and all that it logged is kept. `moved`: names that will mean something
    else by then. One that logged nothing may have done anything: it is never found."""
    for run in reversed(runs):
        kept = run.attributes.get(NOTE)
        if run.state != "finished" or not isinstance(kept, Mapping):
            continue
        if kept["fingerprint"] != identity or not kept["logged"]:
            continue
        if all(_means(tracker, name, moved or {}) == ref for name, ref in kept["used"].items()):
            aliases = {ref: tuple(given) for ref, given in kept["aliases"].items()}
            found = Logged(run.id, tuple(kept["logged"]), aliases, kept["used"], run.summary)
            if all(_is_whole(tracker, ref) for ref in found.refs):
                return found
    return None


def give_aliases(tracker: Tracker, logged: Logged) -> None:
    """Move the aliases that the program gave to what it logged then: they mark its last output,
    made or reused."""
    for ref, aliases in logged.aliases.items():
        for alias in set(aliases) - set(tracker.artifact(ref).aliases):
            tracker.set_alias(ref, alias)


def _means(tracker: Tracker, name: str, moved: Mapping[str, str]) -> str | None:
    if name in moved:
        return moved[name]
    with suppress(ArtifactNotFound):
        store = getattr(tracker, "store", None)
        return store.means(name) if isinstance(store, Resolves) else tracker.artifact(name).ref
    return None


def _is_whole(tracker: Tracker, ref: str) -> bool:
    with suppress(ArtifactNotFound):
        return tracker.artifact(ref).dropped is None
    return False
