"""The command `exec`: any command, with the embedded tracker behind its W&B client."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raysweep.addresses import refuse_keys
from raysweep.cli.common import storage_of
from raysweep.cli.parser import Parser
from raysweep.errors import CommandFailed, UserError


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    command = commands.add_parser(
        "exec",
        parents=[common],
        usage="%(prog)s [-h] [--storage DIR] [--json] -- COMMAND ...",
        help="run any command that logs with wandb, and keep here what it logs",
        description="Run COMMAND with the embedded tracker in place of W&B's server: its runs, "
        "files and artifacts are kept in the storage, with versions and lineage, without an "
        "account and without a network. Ends with the command's exit code.",
    )
    command.add_argument(
        "arguments", nargs="+", metavar="COMMAND", help="the command and its arguments, after --"
    )
    command.set_defaults(command="exec", call=_exec)


def _exec(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.stderr import to_stderr
    from raysweep.storage.open_storage import open_storage
    from raysweep.terminal.recorded import show_recorded
    from raysweep.tracking.endpoint import Endpoint, recorded
    from raysweep.tracking.metadata import plain
    from raysweep.tracking.trackio.store import TrackioStore

    refuse_keys("--storage", args.storage)
    with open_storage(storage_of(args), "exec") as storage:
        endpoint = Endpoint(lambda project: TrackioStore(storage.tracker, project), say=to_stderr)
        try:
            code = _run(args.arguments, {**os.environ, **endpoint.environ()})
            endpoint.close_runs(code)
            runs = recorded(endpoint)
        finally:
            endpoint.stop()
    show_recorded(sys.stderr, runs, args.storage)
    if code:
        if args.json:  # the command failed, and what it logged until then is there all the same
            print(json.dumps({"runs": plain(runs), "exit_code": code}), file=args.out, flush=True)
        raise CommandFailed(f"{args.arguments[0]}: {_how_it_ended(code)}", code)
    return {"runs": plain(runs), "exit_code": code}


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    """Run the command with this process's streams. Returns its exit code, as a shell has it."""
    try:
        process = subprocess.Popen(command, env=environ)
    except (FileNotFoundError, PermissionError, NotADirectoryError, OSError) as error:
        raise UserError(
            f"exec: {command[0]}: {error.strerror}; name a program on the PATH, or its path"
        ) from error
    with _passing_signals(process):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_signals(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Pass SIGTERM and SIGHUP on. Ctrl-C reaches the command by itself: it has our terminal; we
    wait for what it makes of it."""

    def pass_on(number: int, _: object) -> None:
        process.send_signal(number)

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
        signal.SIGHUP: signal.signal(signal.SIGHUP, pass_on),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _how_it_ended(code: int) -> str:
    if code > 128:
        return f"ended by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"
