"""The commands that change what a storage keeps: `sync`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from raysweep.cli.common import add_sweep, storage_of
from raysweep.cli.parser import Parser


def add_to(commands: Any, common: Parser) -> None:
    """Add the commands and their arguments."""
    sync = commands.add_parser("sync", parents=[common], help="publish a locally kept sweep to W&B")
    add_sweep(sync)
    sync.add_argument(
        "--promote",
        choices=["always"],
        help="move best in W&B to the sweep's winner also from a model of another data set",
    )
    sync.set_defaults(command="sync", call=_sync)


def _sync(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.storage.open_storage import open_storage
    from raysweep.sweep.syncing import sync_sweep
    from raysweep.terminal.console import open_console
    from raysweep.terminal.syncing import SyncProgress, show_synced

    console = open_console(sys.stderr)
    with open_storage(storage_of(args), "sync") as storage, SyncProgress(console) as progress:
        synced = sync_sweep(storage, args.sweep, progress, promote=args.promote)
    show_synced(console, synced)
    return synced.to_json()
