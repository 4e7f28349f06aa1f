"""What a person sees of the runs that `exec` has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from raysweep.invocation import program


def show_recorded(
    stream: TextIO, runs: Sequence[Mapping[str, Any]], storage: Path | str | None
) -> None:
    """Write a line a run, and the command that shows where an artifact came from. `storage`: None
    for the usual one."""
    if not runs:
        stream.write("no run was logged: the command made no run with wandb's client\n")
    for run in runs:
        name = "" if run["name"] == run["id"] else f" ({run['name']})"
        used = f", used {' '.join(run['used'])}" if run["used"] else ""
        logged = f", logged {' '.join(run['logged'])}" if run["logged"] else ""
        stream.write(f"run {run['id']}{name} of {run['project']}: {run['state']}{used}{logged}\n")
    last = next((run for run in reversed(runs) if run["logged"]), None)
    if last is not None:
        where = f" --storage {storage}" if storage is not None else ""
        stream.write(
            f"see it: {program()} lineage {last['logged'][-1]} --project {last['project']}{where}\n"
        )
    stream.flush()
