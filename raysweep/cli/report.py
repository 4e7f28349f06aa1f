"""`report`, and `--report` of the commands that run a sweep."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from raysweep.cli.common import storage_of
from raysweep.cli.completion import sweeps
from raysweep.cli.parser import Parser
from raysweep.errors import RaysweepError, TrackingError


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    report = commands.add_parser(
        "report", parents=[common], help="write a sweep, or several, as one HTML page"
    )
    named = report.add_argument(
        "sweeps", nargs="*", metavar="SWEEP", help="sweeps (default: the latest)"
    )
    named.completer = sweeps  # argcomplete's name for it
    report.add_argument(
        "--output",
        type=Path,
        metavar="FILE.html",
        help="the file to write (default: report.html in the sweep's folder)",
    )
    report.add_argument("--no-browser", action="store_true", help="only write it; open nothing")
    report.set_defaults(command="report", call=_report)


def add_option(command: argparse.ArgumentParser) -> None:
    """Add `--report`."""
    command.add_argument(
        "--report", action="store_true", help="write the sweep's page at its end, as `report` does"
    )


def write_at_the_end(sweep: str, storage: Path | str) -> None:
    """Write the page of a sweep that has ended, and say where it is. The sweep's result stands, so
    a page that cannot be written is a warning."""
    from raysweep.report.report import log_page, write_report

    try:
        page = write_report(sweep, storage=storage)
    except RaysweepError as error:
        print(f"raysweep: no report: {error}", file=sys.stderr)
        return
    print(f"report: {page}", file=sys.stderr)
    try:
        if log_page(page, sweep, storage):
            print("the report is among the files of its run in W&B", file=sys.stderr)
    except TrackingError as error:
        print(f"raysweep: the report is here only: {error}", file=sys.stderr)


def _report(args: argparse.Namespace) -> dict[str, Any]:
    import webbrowser

    from raysweep.report.report import write_report

    page = write_report(*args.sweeps, storage=storage_of(args), output=args.output)
    if not args.json:
        print(page, flush=True)
    if not args.no_browser:
        webbrowser.open(page.as_uri())
    return {"report": str(page), "bytes": page.stat().st_size}
