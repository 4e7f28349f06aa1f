"""The command `remove`: frees what only the named sweeps need."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from raysweep.cli.common import storage_of
from raysweep.cli.completion import sweeps
from raysweep.cli.parser import Parser
from raysweep.errors import UserError

if TYPE_CHECKING:
    from raysweep.storage.storage import Storage


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    remove = commands.add_parser(
        "remove", parents=[common], help="remove sweeps, with all that only they need"
    )
    named = remove.add_argument(
        "sweeps",
        nargs="+",
        metavar="SWEEP",
        help="a sweep's name, or how only its name begins, or a pattern for several: 'try-*'; or "
        "what exec has recorded: the id of a run or a sweep, or a project",
    )
    named.completer = sweeps  # argcomplete's name for it
    remove.add_argument("--dry-run", action="store_true", help="say what would go, and stop")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.add_argument(
        "--force",
        action="store_true",
        help="interrupt a sweep that is running, and drop the bytes, not the record, of versions "
        "that other sweeps use",
    )
    remove.set_defaults(command="remove", call=_remove)


def _remove(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.storage.removal import carry_out, plan_removal
    from raysweep.terminal.console import open_console
    from raysweep.terminal.removal import confirmed, show_plan, show_removed

    asks = not (args.yes or args.dry_run)
    if asks and (args.json or not sys.stdin.isatty()):
        raise UserError(
            "remove: there is no terminal to ask on; say --yes to remove without a question, or "
            "--dry-run to see what would go"
        )
    with _opened(args) as storage:
        plan = plan_removal(storage, args.sweeps, force=args.force, finish=not args.dry_run)
        if not args.json:
            show_plan(open_console(sys.stdout if args.dry_run else sys.stderr), plan)
        if args.dry_run:
            return plan.to_json(removed=False)
        if asks and (plan.going or plan.recorded) and not confirmed("remove?"):
            print("nothing was removed", file=sys.stderr)
            return plan.to_json(removed=False)
        done = carry_out(plan)
    if not args.json:
        show_removed(open_console(sys.stdout), done)
    return done.to_json(removed=True)


def _opened(args: argparse.Namespace) -> AbstractContextManager[Storage]:
    from raysweep.storage.open_storage import open_storage, read_storage

    place = storage_of(args)
    return read_storage(place) if args.dry_run else open_storage(place, "remove")
