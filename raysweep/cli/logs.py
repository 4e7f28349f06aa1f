"""The command that shows what a run printed, or which logs there are: `logs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from raysweep.cli.common import storage_of
from raysweep.cli.completion import sweeps
from raysweep.cli.parser import Parser, count
from raysweep.errors import UserError

if TYPE_CHECKING:
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.run_logs import RunLogs
    from raysweep.storage.storage import Storage
    from raysweep.tracking.trackio.recorded import Recorded


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    logs = commands.add_parser(
        "logs",
        parents=[common],
        help="show what a trial or a stage printed, and its traceback",
        usage="%(prog)s [SWEEP] RUN [options]\n       %(prog)s [SWEEP] [options]",
    )
    names = logs.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a sweep's name (default: the latest), and a run: trial-0003, or 3; load, preprocess, "
        "initialize or evaluate of its stages. Without a run: list the logs. Of what exec has "
        "recorded: a run's id, or a sweep's or project's and a run's",
    )
    names.completer = sweeps  # argcomplete's name for it
    logs.add_argument(
        "--follow", action="store_true", help="show what comes, too, until the run has ended"
    )
    logs.add_argument("--tail", type=count, metavar="N", help="only the last N lines")
    logs.set_defaults(command="logs", call=_logs)


def _logs(args: argparse.Namespace) -> dict[str, Any] | None:
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.run_logs import RunLogs, in_short

    if args.json and args.follow:
        raise UserError("--follow: shows lines as they come, and --json is one object; leave one")
    if len(args.names) > 2:
        raise UserError(f"logs {' '.join(args.names)}: takes one sweep and one run")
    with read_storage(storage_of(args)) as storage:
        if (known := _recorded(storage, args.names)) is not None:
            return _one_recorded(args, storage, known)
        stored, name = _asked(storage, args.names)
        logs = RunLogs(stored)
        if name is not None:
            return _one(args, stored, logs, logs.named(name))
        runs = logs.runs()
        logs.check_any(runs)
        if len(runs) == 1:
            return _one(args, stored, logs, runs[0])
        if args.follow or args.tail is not None:
            option = "--follow" if args.follow else "--tail"
            raise UserError(f"{option}: name a run of {stored.record.name}: {in_short(runs)}")
        return _list(args, stored, logs, runs)


def _recorded(storage: Storage, names: Sequence[str]) -> Recorded | None:
    """What `exec` has recorded under the first name, unless that alone is a run's of the latest
    sweep."""
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.record import sweep_names
    from raysweep.storage.recorded import recorded_as
    from raysweep.storage.run_logs import RunLogs

    if not names:
        return None
    if len(names) == 1 and sweep_names(storage.root):
        (name,) = names
        if name.isdigit() or name in RunLogs(StoredSweep.find(storage, None)).runs():
            return None
    return recorded_as(storage, names[0])


def _one_recorded(args: argparse.Namespace, storage: Storage, known: Recorded) -> dict[str, Any]:
    """Show what a run of `exec` printed."""
    from raysweep.storage.recorded import one_run, printed

    run = one_run(known, *args.names[1:])
    if args.follow:
        raise UserError(
            f"--follow: what run {run} of exec prints is on the terminal of its command"
        )
    text = printed(storage, known, run)
    if args.tail is not None:
        text = "".join(text.splitlines(keepends=True)[-args.tail :])
    if not args.json:
        sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
        if not text:
            print(f"run {run} has printed nothing that was kept", file=sys.stderr)
    return {"project": known.project, "run": run, "log": text}


def _asked(storage: Storage, names: Sequence[str]) -> tuple[StoredSweep, str | None]:
    """The sweep and the run that are asked for; None for a sweep's list. One name alone is an
    existing sweep's, a run's of the latest sweep, or how a sweep's name begins."""
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.record import sweep_names
    from raysweep.storage.run_logs import RunLogs

    if not names:
        return StoredSweep.find(storage, None), None
    if len(names) == 2:
        return StoredSweep.find(storage, names[0]), names[1]
    (name,) = names
    known = sweep_names(storage.root)
    if name in known:
        return StoredSweep.find(storage, name), None
    latest = StoredSweep.find(storage, None)
    begins = any(each.startswith(name) for each in known)
    if begins and not name.isdigit() and name not in RunLogs(latest).runs():
        return StoredSweep.find(storage, name), None
    return latest, name


def _list(
    args: argparse.Namespace, stored: StoredSweep, logs: RunLogs, runs: Sequence[str]
) -> dict[str, Any] | None:
    """List the logs: on stdout the runs, on stderr how to see one."""
    from raysweep.invocation import program
    from raysweep.terminal import text
    from raysweep.terminal.console import open_console
    from raysweep.terminal.pager import painter, print_lines
    from raysweep.terminal.table import Column, Row, lines

    sizes, failed, name = logs.sizes(), logs.failed(), stored.record.name
    if args.json:
        found = [
            {
                "run": run,
                "bytes": sizes.get(run, 0),
                "failed": run in failed,
                "log": str(stored.storage.shown_path(stored.folder.log(run)))
                if run in sizes
                else None,
            }
            for run in runs
        ]
        return {"sweep": name, "logs": found}
    console = open_console(sys.stdout)
    columns = [Column("run"), Column("size", right=True), Column("")]
    rows = [
        Row([run, text.size(sizes.get(run, 0)), "failed"], "red")
        if run in failed
        else Row([run, text.size(sizes.get(run, 0)), ""])
        for run in runs
    ]
    print_lines(console, list(lines(columns, rows, console.width, painter(console))))
    first = next((run for run in runs if run in failed), runs[-1])
    option = stored.storage.option
    print(f"name a run: {program()} logs {name} {first}{option}", file=sys.stderr)
    return None


def _one(
    args: argparse.Namespace, stored: StoredSweep, logs: RunLogs, run: str
) -> dict[str, Any] | None:
    """Show a run's log."""
    from raysweep.storage.log_file import follow, last_lines

    if args.follow:
        logs.check_followable()
    path, start, text = logs.path(run), 0, b""
    if args.tail is not None and path.exists():
        text, start = last_lines(path, args.tail)
    if args.json:
        whole = text if args.tail is not None or not path.exists() else path.read_bytes()
        log = whole.decode("utf-8", "replace")
        return {"sweep": stored.record.name, "run": run, "log": log}
    out = sys.stdout.buffer
    out.write(text)
    out.flush()
    for block in follow(path, start, _ended(logs, run) if args.follow else lambda: True):
        out.write(block)
        out.flush()
    if not path.exists() or not path.stat().st_size:
        print(f"{run} of {stored.record.name} has printed nothing", file=sys.stderr)
    return None


def _ended(logs: RunLogs, run: str) -> Callable[[], bool]:
    return lambda: logs.has_ended(run)
