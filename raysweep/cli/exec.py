"""The command `exec`: any command, with the embedded tracker behind its W&B client."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from raysweep.addresses import refuse_keys
from raysweep.cli.common import storage_of
from raysweep.cli.parser import Parser
from raysweep.errors import CommandFailed, UserError
from raysweep.trials.program.process.supervisor import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    children,
)

if TYPE_CHECKING:
    from raysweep.tracking.sweeps import Search

_CTRL_C_KILLS = 3
"""wandb's agent ends its runs at the second Ctrl-C, and a function of its own maybe never."""

_LEFT_S = 5.0
"""Seconds that processes have to end by themselves, and again after SIGTERM."""


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

    refuse_keys("--storage", args.storage)
    with open_storage(storage_of(args), "exec") as storage:
        sweeping = Sweeping(
            book=lambda store: store.sweeps,
            search=_search,
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
    show_recorded(sys.stderr, runs, args.storage, sweeps)
    show_recorded_sweeps(sys.stderr, sweeps)
    answer = {"runs": plain(runs), "sweeps": plain(sweeps), "exit_code": code}
    if code:
        if args.json:  # the command failed, and what it logged until then is there all the same
            print(json.dumps(answer), file=args.out, flush=True)
        raise CommandFailed(f"{args.arguments[0]}: {_how_it_ended(code)}", code)
    return answer


def _search(config: str) -> Search:
    """Make what decides a sweep; a command that makes none need not wait for Optuna."""
    from raysweep.trials.program.agents import agent_search

    return agent_search(config)


def _run(command: Sequence[str], environ: dict[str, str], on_interrupt: Callable[[], None]) -> int:
    """Run the command with this process's streams. Returns its exit code, as a shell has it.
    `on_interrupt` is called when a signal asks for the end."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # what outlives its parent becomes our child
    try:
        process = subprocess.Popen(
            command, env=environ, preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        )
    except OSError as error:
        raise UserError(
            f"exec: {command[0]}: {error.strerror}; name a program on the PATH, or its path"
        ) from error
    with _passing_signals(process, on_interrupt) as signalled:
        code = process.wait()
        if signalled:
            _end_what_is_left(0.0 if len(signalled) >= _CTRL_C_KILLS else _LEFT_S)
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_signals(
    process: subprocess.Popen[Any], on_interrupt: Callable[[], None]
) -> Iterator[list[int]]:
    """Pass SIGTERM and SIGHUP on. Ctrl-C reaches the command by itself: it has our terminal; we
    wait for what it makes of it, and kill it at the third one. Yields the signals that came."""
    came: list[int] = []

    def pass_on(number: int, _: object) -> None:
        came.append(number)
        on_interrupt()
        if number != signal.SIGINT:
            process.send_signal(number)
        elif came.count(number) >= _CTRL_C_KILLS:
            process.kill()

    passed = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, pass_on) for number in passed}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_what_is_left(patience_s: float) -> None:
    """End what an interrupted command has left running. wandb's own process may still send rows."""
    _wait_for_children(patience_s)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        _wait_for_children(_LEFT_S)


def _wait_for_children(patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while children() and time.monotonic() < until:
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.05)


def _how_it_ended(code: int) -> str:
    with suppress(ValueError):  # 255 is an exit code: ssh's, or that of sys.exit(-1)
        return f"ended by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"
