"""What W&B's sweep files have that is no setting of the sweep: how one is told from a config, and
the keys that raysweep does not use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

AGENT_KEYS = (
    "controller",
    "job",
    "image_uri",
    "scheduler",
    "apiVersion",
    "kind",
)
"""Keys for W&B's own launch queues. A notice lists those that are ignored."""

IMPUTE_KEYS = ("impute", "impute_while_running")
"""Keys of `metric` that say which value W&B's bayes search takes for a run that has none. A notice
lists those that are ignored: here such a run is a failed one to the sampler."""

_MISSPELT = 0.75
"""How like a known key an unknown one is, from 0 to 1, that is refused as a slip of the pen."""

OF_SWEEP_FILES = frozenset({"method", "parameters"})
"""Keys that every sweep file has, and no config at its top."""


def is_sweep_file(document: Mapping[str, Any]) -> bool:
    """Return whether the document is a W&B sweep file, not a config with a section `sweep`."""
    if "sweep" in document:
        return False
    # In a config `program` is a section; a sweep file names the script.
    return isinstance(document.get("program"), str) or bool(OF_SWEEP_FILES & document.keys())


def runs_a_program(sweep: Any) -> bool:
    """Whether the raw section's trials are runs of a program."""
    return isinstance(sweep, Mapping) and any(sweep.get(key) for key in ("program", "command"))


def foreign_keys(sweep: Any, fields: Iterable[str]) -> list[str]:
    """Return the keys of a program's sweep that mean nothing, and are like none of `fields`, which
    do: W&B takes such a file, and says that it does not follow the schema."""
    if not runs_a_program(sweep):
        return []
    known = (*fields, *AGENT_KEYS)
    return [
        key
        for key in sweep
        if isinstance(key, str)
        and key not in known
        and not difflib.get_close_matches(key.lower(), known, n=1, cutoff=_MISSPELT)
    ]
