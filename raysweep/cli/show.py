"""The command `show`: a sweep, one of its trials, or several sweeps side by side."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.cli.common import storage_of
from raysweep.cli.completion import sweeps
from raysweep.cli.parser import Parser, count
from raysweep.errors import TrackingError, UserError

if TYPE_CHECKING:
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.storage import Storage
    from raysweep.sweep.view import SweepView, TrialView
    from raysweep.tracking import RunRecord
    from raysweep.tracking.trackio.recorded import Recorded

LOG_LINES = 20
"""Lines of a trial's log that are shown; `logs` shows all."""

_LOG_BYTES = 1 << 16
"""Bytes from the log's end that are read for them."""

MOST_LOG_BYTES = 10_000_000
"""Of a sweep at a URI, a larger log is not downloaded for them."""

_TRIAL = re.compile(r"(?:trial-)?(\d+)")


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    show = commands.add_parser(
        "show",
        parents=[common],
        help="show a sweep, ended or running, one of its trials, or sweeps side by side",
        usage="%(prog)s [SWEEP] [TRIAL] [options]\n       %(prog)s SWEEP SWEEP… [options]",
    )
    names = show.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a sweep's name (default: the latest) and maybe a trial's, as 3 or trial-0003; or "
        "the names of several sweeps",
    )
    names.completer = sweeps  # argcomplete's name for it
    show.add_argument(
        "--top", type=count, metavar="N", help="show only the first N rows of the leaderboard"
    )
    show.add_argument(
        "--all",
        action="store_true",
        help="of several sweeps, show also the keys of the configs that are the same",
    )
    show.add_argument(
        "--csv",
        metavar="FILE",
        help="write a row per trial to FILE instead (-: stdout); of one trial, a row per epoch",
    )
    show.set_defaults(command="show", call=_show)


def _show(args: argparse.Namespace) -> dict[str, Any] | None:
    from raysweep.storage.open_storage import read_storage
    from raysweep.sweep.view import no_collection

    if args.csv == "-" and args.json:
        raise UserError("--csv -: stdout is for the JSON object; name a file, or leave --json out")
    with no_collection(), read_storage(storage_of(args)) as storage:
        if (known := _recorded(storage, args.names)) is not None:
            return _show_recorded(args, storage, known)
        found, trial = _asked(storage, args.names)
        if trial is not None:
            return _show_trial(args, found[0], trial)
        if len(found) > 1:
            return _compare(args, found)
        return _show_sweep(args, found[0])


def _recorded(storage: Storage, names: Sequence[str]) -> Recorded | None:
    """What `exec` has recorded under the one name, unless that is a trial's of the latest sweep."""
    from raysweep.storage.record import sweep_names
    from raysweep.storage.recorded import recorded_as

    if len(names) != 1 or (_TRIAL.fullmatch(names[0]) and sweep_names(storage.root)):
        return None
    return recorded_as(storage, names[0])


def _show_recorded(
    args: argparse.Namespace, storage: Storage, known: Recorded
) -> dict[str, Any] | None:
    from raysweep.storage.recorded import records
    from raysweep.terminal import recorded as terminal
    from raysweep.tracking.trackio.recorded import recorded_sweep
    from raysweep.trials.program.judged import metric_of

    if args.csv:
        raise UserError(f"--csv: {known.what} is of exec; its numbers are in --json")
    sweeps = [recorded_sweep(storage.tracker, each, metric_of) for each in known.sweeps]
    found = [each for each in sweeps if each is not None]
    if found and known.kind == "sweep":
        if args.json:
            return found[0]
        terminal.show_sweep_of_agents(sys.stdout, found[0], args.top)
        return None
    runs = records(storage, known)
    if args.json:
        return {"project": known.project, **terminal.runs_json(runs), "sweeps": found}
    terminal.show_runs(sys.stdout, known.project, runs, whole=known.kind == "run")
    terminal.show_recorded_sweeps(sys.stdout, found)
    return None


def _asked(storage: Storage, names: Sequence[str]) -> tuple[list[StoredSweep], int | None]:
    """The sweeps that are asked for, and the number of the trial, if one is."""
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.record import sweep_names

    match = _TRIAL.fullmatch(names[-1]) if 1 <= len(names) <= 2 else None
    if match and names[-1] not in sweep_names(storage.root):
        sweep = names[0] if len(names) == 2 else None
        return [StoredSweep.find(storage, sweep)], int(match[1])
    return [StoredSweep.find(storage, name) for name in (names or (None,))], None


def _show_sweep(args: argparse.Namespace, stored: StoredSweep) -> dict[str, Any] | None:
    from raysweep.sweep.shape import sweep_json
    from raysweep.sweep.view import view_of

    view = view_of(stored, artifacts=args.json or bool(args.csv))
    if args.csv:
        return _write_csv(args, [view], stored.storage)
    if args.json:
        return sweep_json(view, stored.storage, args.top)
    from raysweep.terminal.console import open_console
    from raysweep.terminal.pager import painter, print_lines
    from raysweep.terminal.show import sweep_lines

    console = open_console(sys.stdout)
    lines = sweep_lines(view, stored.storage, console.width, painter(console), args.top)
    print_lines(console, lines)
    return None


def _show_trial(
    args: argparse.Namespace, stored: StoredSweep, number: int
) -> dict[str, Any] | None:
    from raysweep.sweep.shape import whole_trial_json
    from raysweep.sweep.view import view_of

    view = view_of(stored, artifacts=args.json)
    trial = next((each for each in view.trials if each.number == number), None)
    if trial is None:
        last = f", trial-0000 to {view.trials[-1].trial}" if view.trials else ""
        raise UserError(f"{view.sweep}: has no trial {number}; it has {len(view.trials)}{last}")
    if args.csv:
        return _write_history(args, trial)
    if stored.storage.origin is not None:
        stored.storage.origin.logs(view.sweep, [trial.trial], MOST_LOG_BYTES)
    run, log_end = _run_of(stored, trial), _log_end(trial)
    if args.json:
        return whole_trial_json(view, trial, run, log_end, stored.storage)
    from raysweep.terminal.console import open_console
    from raysweep.terminal.pager import painter, print_lines
    from raysweep.terminal.show_trial import trial_lines

    console = open_console(sys.stdout)
    lines = trial_lines(view, trial, stored.storage, run, log_end, painter(console))
    print_lines(console, lines)
    return None


def _compare(args: argparse.Namespace, compared: Sequence[StoredSweep]) -> dict[str, Any] | None:
    from raysweep.sweep.shape import comparison_json
    from raysweep.sweep.view import view_of

    views = [view_of(each, artifacts=bool(args.csv)) for each in compared]
    if args.csv:
        return _write_csv(args, views, compared[0].storage)
    if args.json:
        return comparison_json(views, compared[0].storage)
    from raysweep.terminal.compare import comparison_lines
    from raysweep.terminal.console import open_console
    from raysweep.terminal.pager import painter, print_lines

    console = open_console(sys.stdout)
    lines = comparison_lines(views, console.width, painter(console), whole=args.all)
    print_lines(console, lines)
    return None


def _run_of(stored: StoredSweep, trial: TrialView) -> RunRecord | None:
    """The trial's run in the tracker; None where it has not begun one, or the tracker does not
    answer, which is said on stderr: the rest is in the journal."""
    try:
        with closing(stored.tracker()) as tracker:
            return tracker.run(f"{stored.record.id}-{trial.trial}")
    except TrackingError as error:
        if trial.history:
            print(f"raysweep: what {trial.trial} used and logged: {error}", file=sys.stderr)
        return None


def _log_end(trial: TrialView) -> list[str]:
    """The last lines of its log."""
    if trial.log is None or not trial.log.exists():
        return []
    with trial.log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        text = file.read().decode(errors="replace")
    return text.removesuffix("\n").split("\n")[-LOG_LINES:] if text else []


def _write_csv(
    args: argparse.Namespace, views: Sequence[SweepView], storage: Storage
) -> dict[str, Any] | None:
    from raysweep.sweep.shape import write_csv

    return _written(args, "trial", lambda file: write_csv(views, storage, file))


def _write_history(args: argparse.Namespace, trial: TrialView) -> dict[str, Any] | None:
    from raysweep.sweep.shape import write_history

    return _written(args, "epoch", lambda file: write_history(trial, file))


def _written(args: argparse.Namespace, what: str, write: Any) -> dict[str, Any] | None:
    """Let `write` write to the file that the arguments name, and say so on stderr."""
    from raysweep.terminal.text import plural

    if args.csv == "-":
        write(sys.stdout)
        return None
    path = Path(args.csv)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = write(file)
    except OSError as error:
        raise UserError(f"--csv {path}: cannot be written ({error.strerror})") from error
    if not args.json:
        print(f"{path}: {plural(rows, what)}", file=sys.stderr)
    return {"csv": str(path.resolve()), "rows": rows}
