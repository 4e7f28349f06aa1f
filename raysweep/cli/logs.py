"""The command that shows what a run printed: `logs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from raysweep.cli.common import stored_sweep
from raysweep.cli.parser import Parser, count
from raysweep.errors import UserError

if TYPE_CHECKING:
    from raysweep.storage.run_logs import RunLogs


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    logs = commands.add_parser(
        "logs", parents=[common], help="show what a trial or a stage printed, and its traceback"
    )
    logs.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    logs.add_argument(
        "run", help="trial-0003, or 3; load, preprocess, initialize or evaluate of its stages"
    )
    logs.add_argument(
        "--follow", action="store_true", help="show what comes, too, until the run has ended"
    )
    logs.add_argument("--tail", type=count, metavar="N", help="only the last N lines")
    logs.set_defaults(command="logs", call=_logs)


def _logs(args: argparse.Namespace) -> dict[str, Any] | None:
    from raysweep.storage.log_file import follow, last_lines
    from raysweep.storage.run_logs import RunLogs

    if args.json and args.follow:
        raise UserError("--follow: shows lines as they come, and --json is one object; leave one")
    with stored_sweep(args) as stored:
        logs = RunLogs(stored)
        run = logs.named(args.run)
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
