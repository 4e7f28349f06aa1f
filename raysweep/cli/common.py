"""What several commands share: their arguments, and the storage and config that these name."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from raysweep.addresses import refuse_keys
from raysweep.cli.completion import sweeps
from raysweep.cli.parser import Parser

if TYPE_CHECKING:
    from raysweep.config import Config
    from raysweep.storage.reading import StoredSweep


def common_arguments() -> Parser:
    """Return the arguments of every command that works on a storage."""
    common = Parser(add_help=False)
    common.add_argument(
        "--storage",
        type=_place,
        metavar="DIR",
        help="where sweeps are kept: a folder, or a URI like s3://bucket/prefix (default ./runs)",
    )
    common.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return common


def add_promote(command: argparse.ArgumentParser) -> None:
    """Add the argument that says when the alias `best` moves."""
    command.add_argument(
        "--promote",
        choices=["always", "if_better"],
        help="move best to the winner always, or if it beats the present one (tracking.promote)",
    )


def add_sweep(command: argparse.ArgumentParser) -> None:
    """Add the argument that names a stored sweep."""
    named = command.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    named.completer = sweeps  # type: ignore[attr-defined] # argcomplete's name for it


def config_of(args: argparse.Namespace) -> Config:
    """Load the config that the arguments name, with their overrides."""
    from raysweep.config import load_config

    refuse_keys("--storage", args.storage)
    overrides = list(args.overrides)
    if args.tracker:
        overrides.append(f"tracking.backend={args.tracker}")
    if args.promote:
        overrides.append(f"tracking.promote={args.promote}")
    if args.storage:
        overrides.append(f"storage={json.dumps(str(args.storage))}")
    return load_config(args.config, overrides, args.sweep, args.count)


def storage_of(args: argparse.Namespace) -> Path | str:
    """Return the storage that the arguments name, or the default one."""
    from raysweep.config import Config

    return args.storage or Config().storage


@contextlib.contextmanager
def stored_sweep(args: argparse.Namespace, media: bool = False) -> Iterator[StoredSweep]:
    """Open the storage for reading, and yield the sweep that the arguments name."""
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.reading import StoredSweep

    with read_storage(storage_of(args), media=media) as storage:
        yield StoredSweep.find(storage, args.sweep)


def _place(text: str) -> Path | str:
    """Parse a folder as a Path; keep a URI as text, since Path merges two slashes."""
    return text if ":/" in text else Path(text)
