"""The command line: every command, its arguments and their help."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse `python -m raysweep …`; `command` of the result is the command's name.

    Ends the process with exit code 2, and a hint at the nearest name, where an argument is unknown.
    """
    args, unknown = (root := parser()).parse_known_args(argv)
    if unknown:
        command = root.commands[args.command]
        command.error(f"unrecognized arguments: {' '.join(unknown)}{command.hint(unknown)}")
    return args


class Parser(argparse.ArgumentParser):
    """A parser that answers a misspelt option, command or choice with the nearest known one."""

    commands: Mapping[str, Parser] = {}

    def hint(self, unknown: Sequence[str]) -> str:
        """`; did you mean --local-mode?` for the first unknown option that has a near one."""
        known = [option for action in self._actions for option in action.option_strings]
        options = [each.partition("=")[0] for each in unknown if each.startswith("-")]
        return next((near for each in options if (near := _nearest(each, known))), "")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = _nearest(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{near}") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib  # takes 5 ms: only for wrong commands

    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def parser() -> Parser:
    """Return the parser of all commands; `command` of what it parses is the command's name."""
    root = Parser(
        prog="python -m raysweep",
        description="From raw data to a model tagged `best`, in one command, on Ray.",
    )
    root.add_argument(
        "--version", action=_ShowVersion, nargs=0, help="show the version number and exit"
    )
    commands = root.add_subparsers(metavar="COMMAND", required=True)

    common = Parser(add_help=False)
    common.add_argument(
        "--storage",
        type=_place,
        metavar="DIR",
        help="where sweeps are kept: a folder, or a URI like s3://bucket/prefix (default ./runs)",
    )
    common.add_argument("--json", action="store_true", help="one JSON object on stdout")

    sweep = Parser(add_help=False)
    sweep.add_argument(
        "config", nargs="?", type=Path, help="a YAML file (default: the MNIST sweep)"
    )
    sweep.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key, e.g. train.epochs=3; may be repeated",
    )
    sweep.add_argument("--sweep", type=Path, metavar="FILE", help="a W&B sweep YAML")
    sweep.add_argument(
        "--name", help="the sweep's name (default: its name in the file, or sweep, and the time)"
    )
    sweep.add_argument("--tracker", choices=["auto", "trackio", "wandb"], help="what records it")

    on_ray = Parser(add_help=False)
    on_ray.add_argument("--address", metavar="ADDR", help="join a Ray cluster: auto or HOST:PORT")
    on_ray.add_argument(
        "--local-mode", action="store_true", help="everything in one process, for a debugger"
    )
    told = Parser(add_help=False)
    told.add_argument(
        "--verbose",
        action="store_true",
        help="show Ray's log lines and what its workers print; plain lines, no live table",
    )

    run = commands.add_parser("run", parents=[sweep, on_ray, told, common], help="run a sweep")
    _add_warm_start(run)
    run.set_defaults(command="run")

    resume = commands.add_parser(
        "resume", parents=[on_ray, told, common], help="continue an interrupted or crashed sweep"
    )
    resume.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    resume.add_argument(
        "--retry-failed",
        action="store_true",
        help="run failed trials again, from their beginning, also of a sweep that has ended",
    )
    resume.set_defaults(command="resume")

    submit = commands.add_parser(
        "submit", parents=[sweep, told], help="submit a sweep to a cluster's job server"
    )
    submit.add_argument(
        "--address", required=True, metavar="URL", help="Ray's job server: http://HOST:8265"
    )
    submit.add_argument(
        "--no-wait", action="store_true", help="do not follow the job; say how to, and end"
    )
    submit.add_argument(
        "--storage",
        metavar="DIR",
        help="a folder of the cluster's head machine or a URI (default ~/raysweep/runs there)",
    )
    submit.add_argument("--json", action="store_true", help="one JSON object on stdout")
    _add_warm_start(submit)
    submit.set_defaults(command="submit")

    plan = commands.add_parser(
        "plan", parents=[sweep, common], help="check the input and show what would run"
    )
    plan.add_argument(
        "--space-only",
        action="store_true",
        help="show only the space of --sweep FILE, which may be written for another program",
    )
    plan.add_argument(
        "--show",
        type=_count,
        default=5,
        metavar="N",
        help="how many of the first configurations to show (default 5)",
    )
    plan.set_defaults(command="plan")

    listing = commands.add_parser("list", parents=[common], help="the sweeps of a storage")
    listing.set_defaults(command="list")

    stored = Parser(add_help=False, parents=[common])
    best = commands.add_parser("best", parents=[stored], help="the winner of a sweep")
    best.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    best.add_argument("--download", type=Path, metavar="DIR", help="copy its files to a new folder")
    best.set_defaults(command="best")

    lineage = commands.add_parser(
        "lineage", parents=[stored], help="show an artifact's ancestors and descendants"
    )
    lineage.add_argument("artifact", help="name:vK or name:alias, e.g. trained-model:best")
    lineage.add_argument("--sweep", help="whose project to look in (default: the latest sweep's)")
    lineage.set_defaults(command="lineage")

    dashboard = commands.add_parser(
        "dashboard", parents=[stored], help="open the tracker's page on the best's lineage"
    )
    dashboard.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    dashboard.add_argument("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    dashboard.add_argument(
        "--no-browser", action="store_true", help="print the address and open nothing"
    )
    dashboard.set_defaults(command="dashboard")

    sync = commands.add_parser("sync", parents=[stored], help="publish a locally kept sweep to W&B")
    sync.add_argument("sweep", nargs="?", help="a sweep's name (default: the latest)")
    sync.set_defaults(command="sync")
    root.commands = commands.choices
    return root


def _add_warm_start(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--warm-start",
        action="extend",
        nargs="+",
        default=[],
        metavar="SWEEP",
        help="earlier sweeps of the storage, whose completed trials method bayes learns from",
    )


def _place(text: str) -> Path | str:
    """Parse a folder as a Path; keep a URI as text, since Path merges two slashes."""
    return text if ":/" in text else Path(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected an integer from 0, got {text}")
    return int(text)


class _ShowVersion(argparse.Action):
    """Reads the package's metadata only when `--version` asks (30 ms)."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from raysweep.version import __version__

        print(f"raysweep {__version__}")
        parser.exit()
