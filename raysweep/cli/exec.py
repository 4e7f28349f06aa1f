"""The command `exec`: any command, with the embedded tracker behind its W&B client."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
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
    from raysweep.terminal.recorded import show_recorded, show_recorded_sweeps
    from raysweep.tracking.endpoint import Endpoint, Sweeping, recorded, recorded_sweeps
    from raysweep.tracking.metadata import plain
    from raysweep.tracking.trackio.database import projects
    from raysweep.tracking.trackio.store import TrackioStore
    from raysweep.trials.program.agents import agent_search

    refuse_keys("--storage", args.storage)
    with open_storage(storage_of(args), "exec") as storage:
        sweeping = Sweeping(
            book=lambda store: store.sweeps,
            search=agent_search,
            projects=lambda: projects(storage.tracker),
        )
        endpoint = Endpoint(
            lambda project: TrackioStore(storage.tracker, project), say=to_stderr, sweeping=sweeping
        )
        try:
            environ = {**os.environ, **endpoint.environ()}
            code = _run(args.arguments, environ, endpoint.interrupt_sweeps)
            endpoint.close_sweeps()
            endpoint.close_runs(code)
            runs, sweeps = recorded(endpoint), recorded_sweeps(endpoint)
        finally:
            endpoint.stop()
    show_recorded(sys.stderr, runs, args.storage)
    show_recorded_sweeps(sys.stderr, sweeps)
    answer = {"runs": plain(runs), "sweeps": plain(sweeps), "exit_code": code}
    if code:
        if args.json:  # the command failed, and what it logged until then is there all the same
            print(json.dumps(answer), file=args.out, flush=True)
        raise CommandFailed(f"{args.arguments[0]}: {_how_it_ended(code)}", code)
    return answer


def _run(command: Sequence[str], environ: dict[str, str], on_interrupt: Callable[[], None]) -> int:
    """Run the command with this process's streams. Returns its exit code, as a shell has it.
    `on_interrupt` is called when a signal asks for the end."""
    try:
        process = subprocess.Popen(command, env=environ)
    except (FileNotFoundError, PermissionError, NotADirectoryError, OSError) as error:
        raise UserError(
            f"exec: {command[0]}: {error.strerror}; name a program on the PATH, or its path"
        ) from error
    with _passing_signals(process, on_interrupt):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_signals(
    process: subprocess.Popen[Any], on_interrupt: Callable[[], None]
) -> Iterator[None]:
    """Pass SIGTERM and SIGHUP on. Ctrl-C reaches the command by itself: it has our terminal; we
    wait for what it makes of it."""

    def wait(number: int, _: object) -> None:
        on_interrupt()

    def pass_on(number: int, _: object) -> None:
        on_interrupt()
        process.send_signal(number)

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, wait),
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
