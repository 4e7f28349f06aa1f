"""The command line: all commands, put together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from raysweep.cli import (
    completion,
    exec,
    keeping,
    logs,
    reading,
    remove,
    report,
    show,
    sweeping,
)
from raysweep.cli.common import common_arguments
from raysweep.cli.parser import Parser
from raysweep.invocation import program


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse `python -m raysweep …`; `command` of the result is its name, `call` its function.

    Ends the process with exit code 2, and a hint at the nearest name, where an argument is unknown.
    """
    completion.complete_if_asked(root := parser())
    args, unknown = root.parse_known_args(argv)
    if unknown:
        command = root.commands[args.command]
        command.error(f"unrecognized arguments: {' '.join(unknown)}{command.hint(unknown)}")
    return args


def parser() -> Parser:
    """Return the parser of all commands."""
    root = Parser(
        prog=program(),
        description="From raw data to a model tagged `best`, in one command, on Ray.",
    )
    root.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="show the version number and exit"
    )
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    common = common_arguments()
    for group in (sweeping, exec, reading, show, logs, report, keeping, remove, completion):
        group.add_to(commands, common)
    root.commands = commands.choices
    return root


class _ShowVersion(argparse.Action):
    """Reads the package's metadata only when `--version` asks (30 ms)."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from raysweep.version import __version__

        print(f"raysweep {__version__}")
        parser.exit()
