"""The commands that read a storage: `list`, `best`, `lineage`, `dashboard`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.cli.common import add_sweep, storage_of, stored_sweep
from raysweep.cli.parser import Parser
from raysweep.errors import UserError
from raysweep.invocation import program

if TYPE_CHECKING:
    from raysweep.storage.reading import StoredSweep
    from raysweep.storage.storage import Storage


def add_to(commands: Any, common: Parser) -> None:
    """Add the commands and their arguments."""
    listing = commands.add_parser("list", parents=[common], help="the sweeps of a storage")
    listing.add_argument(
        "--sizes",
        action="store_true",
        help="also the bytes that a sweep uses alone, which `remove` frees, and those it shares",
    )
    listing.set_defaults(command="list", call=_list)

    best = commands.add_parser("best", parents=[common], help="the winner of a sweep")
    add_sweep(best)
    best.add_argument("--download", type=Path, metavar="DIR", help="copy its files to a new folder")
    best.set_defaults(command="best", call=_best)

    lineage = commands.add_parser(
        "lineage", parents=[common], help="show an artifact's ancestors and descendants"
    )
    lineage.add_argument("artifact", help="name:vK or name:alias, e.g. trained-model:best")
    where = lineage.add_mutually_exclusive_group()
    where.add_argument("--sweep", help="whose project to look in (default: the latest sweep's)")
    where.add_argument("--project", help="the project to look in, also of runs without a sweep")
    lineage.set_defaults(command="lineage", call=_lineage)

    dashboard = commands.add_parser(
        "dashboard", parents=[common], help="open the tracker's page on the best's lineage"
    )
    add_sweep(dashboard)
    dashboard.add_argument("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    dashboard.add_argument(
        "--no-browser", action="store_true", help="print the address and open nothing"
    )
    dashboard.set_defaults(command="dashboard", call=_dashboard)


def _list(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.stderr import to_stderr
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.reading import listed
    from raysweep.terminal.console import open_console
    from raysweep.terminal.recorded import show_projects
    from raysweep.terminal.summary import show_sweeps
    from raysweep.tracking.trackio.recorded import recorded_projects
    from raysweep.trials.workloads import display_of

    with read_storage(storage_of(args), results=True) as storage:
        sweeps = listed(storage, to_stderr)
        if args.sizes:
            _add_sizes(storage, sweeps)
        names = [each["sweep"] for each in sweeps]
        displays = {name: display_of(storage.folder(name).record().kind) for name in names}
        recorded = recorded_projects(storage.tracker, to_stderr)
    if not args.json and sweeps:
        show_sweeps(open_console(sys.stdout), sweeps, displays)
    if not args.json and recorded:
        show_projects(sys.stdout, recorded)
    elif not args.json and not sweeps:
        print(f"no sweep in {storage.shown}: `{program()} run` starts one", file=sys.stderr)
    return {"sweeps": sweeps, "recorded": recorded}


def _add_sizes(storage: Storage, sweeps: list[dict[str, Any]]) -> None:
    from raysweep.storage.sizes import sizes

    found = sizes(storage)
    for sweep in sweeps:
        if (its := found.get(sweep["sweep"])) is not None:
            sweep["bytes"] = {"alone": its.alone, "shared": its.shared}


def _best(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.terminal.console import open_console
    from raysweep.terminal.summary import show_best
    from raysweep.trials.workloads import display_of

    with stored_sweep(args) as stored:
        result = stored.with_best()
        if args.download:
            stored.download_best(args.download)
    if not args.json:
        console, display = open_console(sys.stdout), display_of(stored.record.kind)
        show_best(console, stored.record.name, result, args.download, display)
    downloaded = {"download": str(args.download.resolve())} if args.download else {}
    return {"sweep": stored.record.name, **result, **downloaded}


def _lineage(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.reading import StoredSweep, store_of_project
    from raysweep.terminal.console import open_console, say
    from raysweep.terminal.graph import lineage_lines

    with read_storage(storage_of(args)) as storage:
        if args.project is not None:
            lineage = store_of_project(storage, args.project).lineage(args.artifact)
        else:
            lineage = StoredSweep.find(storage, args.sweep).lineage(args.artifact)
    if not args.json:
        for line in lineage_lines(lineage):
            say(open_console(sys.stdout), line)
    return lineage.to_json()


def _dashboard(args: argparse.Namespace) -> None:
    with stored_sweep(args, media=True) as stored:
        _serve(args, stored)


def _serve(args: argparse.Namespace, stored: StoredSweep) -> None:
    import webbrowser

    from raysweep.tracking import dashboard

    result = stored.folder.result()
    if stored.record.tracker != "trackio":
        raise UserError(f"{stored.record.name} is recorded in W&B; its page is there")
    ref = result["best"]["artifact"] if result and result["best"] else None
    served = dashboard.serve(stored.storage.tracker, stored.record.project, ref, args.port)
    print(f"{served.url}\nCtrl-C stops it", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps({"url": served.url}), file=args.out, flush=True)
    if not args.no_browser:
        webbrowser.open(served.url)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        served.stop()
