"""What a person sees of the runs that `exec` has kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from raysweep.invocation import program
from raysweep.terminal.text import number, plural

if TYPE_CHECKING:
    from raysweep.tracking import RunRecord


def show_recorded(
    stream: TextIO,
    runs: Sequence[Mapping[str, Any]],
    storage: Path | str | None,
    sweeps: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a line a run, and the command that shows where an artifact came from; of sweeps alone,
    the command that runs the first one. `storage`: None for the usual one."""
    where = f" --storage {storage}" if storage is not None else ""
    if not runs and sweeps:
        stream.write(f"run it: {program()} exec{where} -- wandb agent {sweeps[0]['id']}\n")
    elif not runs:
        stream.write(
            "no run was logged: the command made none with wandb's client, or in mode offline, and "
            f"then `{program()} exec -- wandb sync DIR` brings it here\n"
        )
    for run in runs:
        stream.write(f"{run_line(run, run['project'])}\n")
    last = next((run for run in reversed(runs) if run["logged"]), None)
    if last is not None:
        stream.write(
            f"see it: {program()} lineage {last['logged'][-1]} --project {last['project']}{where}\n"
        )
    stream.flush()


def show_recorded_sweeps(
    stream: TextIO, sweeps: Sequence[Mapping[str, Any]], indent: str = ""
) -> None:
    """Write a line a sweep that agents ran, and below it one for its best run."""
    for sweep in sweeps:
        stream.write(f"{indent}{sweep_line(sweep)}\n")
        if (best := sweep["best"]) is not None:
            stream.write(f"{indent}  {best_line(sweep, best)}\n")
    stream.flush()


def show_projects(stream: TextIO, projects: Sequence[Mapping[str, Any]]) -> None:
    """Write what `exec` has recorded: a line a project, and below it its sweeps."""
    for project in projects:
        runs = plural(project["runs"], "run")
        stream.write(f"project {project['project']}: {runs} of {program()} exec\n")
        show_recorded_sweeps(
            stream, [{**each, "project": project["project"]} for each in project["sweeps"]], "  "
        )


def show_sweep_of_agents(stream: TextIO, sweep: Mapping[str, Any], top: int | None) -> None:
    """Write the sweep, and a line for each of its runs, the best first; `top`: at most so many."""
    show_recorded_sweeps(stream, [sweep])
    for trial in sweep["trials"][:top]:
        score = "" if trial["score"] is None else f" {sweep['metric']} {trial['score']:.6g}"
        values = ", ".join(f"{name}={number(value)}" for name, value in trial["values"].items())
        stream.write(f"  {trial['run']} {trial['state']}{score}: {values}\n")
    stream.flush()


def sweep_line(sweep: Mapping[str, Any]) -> str:
    """Return `sweep k2x of p (name): bayes, 6 runs, finished`."""
    name = f" ({sweep['name']})" if sweep["name"] else ""
    state = f", {sweep['state']}" if "state" in sweep else ""
    runs = plural(sweep["runs"], "run")
    of = f"{sweep['id']} of {sweep['project']}{name}"
    return f"sweep {of}: {sweep['method']}, {runs}{state}"


def best_line(sweep: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Return `best loss 0.25: run j3k, lr=0.1, width=8`."""
    values = "".join(f", {name}={number(value)}" for name, value in best["values"].items())
    return f"best {sweep['metric']} {best['score']:.6g}: run {best['run']}{values}"


def runs_json(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return what `show --json` prints of runs."""
    keys = ("id", "name", "state", "error", "config", "used", "logged")
    return {
        "runs": [
            {**{key: getattr(run, key) for key in keys}, "summary": _summary(run)} for run in runs
        ]
    }


def show_runs(stream: TextIO, project: str, runs: Sequence[RunRecord], *, whole: bool) -> None:
    """Write a line a run; `whole`: with its config and its summary."""
    for run in runs:
        stream.write(f"{run_line(vars(run), project)}\n")
        if whole:
            for what, values in (("config", run.config), ("summary", _summary(run))):
                shown = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
                stream.write(f"  {what}: {shown or 'empty'}\n")
            if run.error:
                stream.write(f"  error: {run.error}\n")
    stream.flush()


def run_line(run: Mapping[str, Any], project: str) -> str:
    """Return `run j3k (name) of p: finished, used data:v0, logged net:v1`."""
    name = "" if run["name"] == run["id"] else f" ({run['name']})"
    used = f", used {' '.join(run['used'])}" if run["used"] else ""
    logged = f", logged {' '.join(run['logged'])}" if run["logged"] else ""
    return f"run {run['id']}{name} of {project}: {run['state']}{used}{logged}"


def _summary(run: RunRecord) -> dict[str, Any]:
    """The run's summary without what the client says of itself."""
    return {key: value for key, value in run.summary.items() if not key.startswith("_")}


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "_type" in value:
        return str(value["_type"])
    return number(value) if isinstance(value, (int, float)) else str(value)
