"""The commands that start a sweep or continue one: `run`, `resume`, `submit`, `plan`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.addresses import is_uri
from raysweep.cli import report
from raysweep.cli.common import add_promote, add_sweep, config_of, storage_of, stored_sweep
from raysweep.cli.parser import Parser, count, positive
from raysweep.errors import Interrupted, UserError
from raysweep.invocation import program
from raysweep.terminal.process import ended_by_the_second_interrupt

if TYPE_CHECKING:
    from raysweep.events import Observer
    from raysweep.sweep.result import SweepResult


ON_RAY = ("address", "local_mode", "verbose", "fail_fast")
"""The options of `run` and `resume` that are arguments of `run_sweep` and `resume_sweep`."""


def add_to(commands: Any, common: Parser) -> None:
    """Add the commands and their arguments."""
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
    sweep.add_argument(
        "--count", type=positive, metavar="N", help="at most N trials, as wandb agent --count"
    )
    sweep.add_argument("--tracker", choices=["auto", "trackio", "wandb"], help="what records it")
    add_promote(sweep)
    on_ray = Parser(add_help=False)
    on_ray.add_argument("--address", metavar="ADDR", help="join a Ray cluster: auto or HOST:PORT")
    on_ray.add_argument(
        "--local-mode", action="store_true", help="everything in one process, for a debugger"
    )
    _add_fail_fast(on_ray)
    told = Parser(add_help=False)
    told.add_argument(
        "--verbose",
        action="store_true",
        help="show Ray's log lines and what its workers print; plain lines, no live table",
    )

    run = commands.add_parser("run", parents=[sweep, on_ray, told, common], help="run a sweep")
    _add_warm_start(run)
    report.add_option(run)
    run.set_defaults(command="run", call=_run)

    resume = commands.add_parser(
        "resume", parents=[on_ray, told, common], help="continue an interrupted or crashed sweep"
    )
    add_sweep(resume)
    add_promote(resume)
    resume.add_argument(
        "--retry-failed",
        action="store_true",
        help="run failed trials again, from their beginning, also of a sweep that has ended",
    )
    report.add_option(resume)
    resume.set_defaults(command="resume", call=_resume)

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
    _add_fail_fast(submit)
    _add_warm_start(submit)
    report.add_option(submit)
    submit.set_defaults(command="submit", call=_submit)

    plan = commands.add_parser(
        "plan", parents=[sweep, common], help="check the input and show what would run"
    )
    plan.add_argument(
        "--address",
        metavar="ADDR",
        help="the sweep would join a cluster: do not check what a trial needs against this machine",
    )
    plan.add_argument(
        "--space-only",
        action="store_true",
        help="show only the space of --sweep FILE, which may be written for another program",
    )
    plan.add_argument(
        "--show",
        type=count,
        default=5,
        metavar="N",
        help="how many of the first configurations to show (default 5)",
    )
    plan.set_defaults(command="plan", call=_plan)


def _add_fail_fast(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--fail-fast",
        action="store_true",
        help="end the sweep at the first trial that fails, with its traceback",
    )


def _add_warm_start(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--warm-start",
        action="extend",
        nargs="+",
        default=[],
        metavar="SWEEP",
        help="earlier sweeps of the storage, whose completed trials method bayes learns from",
    )


def _run(args: argparse.Namespace) -> dict[str, Any]:
    config = config_of(args)

    def run(observer: Observer, **on_ray: Any) -> SweepResult:
        from raysweep.sweep.sweep import run_sweep  # Ray: over a second, after the first output

        more = {"name": args.name, "warm_start": args.warm_start}
        return run_sweep(config, observer=observer, **more, **on_ray)

    wanted = (config.kind, config.resources.fast_start)
    return _watched(args, run, config.storage, *wanted)


def _resume(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.config import Config
    from raysweep.storage.left_behind import clean_up_ended

    try:
        with stored_sweep(args) as stored:
            name, result = stored.record.name, stored.folder.result()
            wanted = (stored.record.kind, stored.fast_start())
            if args.retry_failed and stored.failed():
                result = None
            elif result is not None:
                clean_up_ended(stored)
    except UserError:
        if not is_uri(storage_of(args)):
            raise
        name, result = args.sweep, None  # a copy of this machine may have what is not there yet
        wanted = (Config().kind, True)
    if result is not None:
        none_failed = " (no trial of it failed)" if args.retry_failed else ""
        print(f"{name} has ended already{none_failed}: nothing is left to do", file=sys.stderr)
        return result

    def resume(observer: Observer, **on_ray: Any) -> SweepResult:
        from raysweep.sweep.resume import resume_sweep

        more = {"storage": storage_of(args), "retry_failed": args.retry_failed}
        more["promote"] = args.promote
        return resume_sweep(name, observer=observer, **more, **on_ray)

    return _watched(args, resume, storage_of(args), *wanted)


def _watched(
    args: argparse.Namespace,
    sweep: Callable[..., SweepResult],
    storage: Path | str,
    kind: str,
    fast_start: bool,
) -> dict[str, Any]:
    """Call `sweep`, show its progress and result, and return the result as JSON. `kind`: that of
    its trials; `fast_start`: the config's."""
    from raysweep.cluster.faststart import fork_server
    from raysweep.config import Config
    from raysweep.terminal.console import open_console, redraws
    from raysweep.terminal.live import LiveTable
    from raysweep.terminal.plain import PlainLines
    from raysweep.terminal.summary import show_result
    from raysweep.trials.workloads import preload_of

    console = open_console(sys.stderr)
    # In local mode a debugger has the terminal, and what trials print appears as it is printed.
    live = redraws(console) and not args.verbose and not args.local_mode
    on_ray = {name: getattr(args, name) for name in ON_RAY}
    shown = LiveTable(console) if live else PlainLines(sys.stderr)
    # The fork server imports what the workers need while this process imports Ray.
    options = {"local_mode": args.local_mode, "fast_start": fast_start}
    workers = fork_server.running_for(args.address, preload_of(kind), **options)
    with ended_by_the_second_interrupt(shown.hide), workers, shown as observer:
        result = sweep(observer, **on_ray)
    usual = Path(storage) == Path(Config().storage)
    show_result(console, result, None if usual else storage)
    if args.report:
        report.write_at_the_end(result.sweep, storage)
    return result.to_json()


def _submit(args: argparse.Namespace) -> dict[str, Any]:
    config = config_of(args)
    if args.report and args.no_wait and is_uri(config.storage):
        raise UserError(
            "--report: the page of a sweep at a URI is written here, at its end, for which "
            f"--no-wait does not wait; leave one out, or call `{program()} report` afterwards"
        )
    from raysweep.submission.following import follow
    from raysweep.submission.submission import submit
    from raysweep.terminal.submission import show_detached, show_kept, show_submitted

    options = {name: getattr(args, name) for name in ("verbose", "fail_fast", "report")}
    submission = submit(config, args.address, name=args.name, warm_start=args.warm_start, **options)
    show_submitted(sys.stderr, submission)
    if args.no_wait:
        show_detached(sys.stderr, submission)
        return submission.to_json()
    try:
        result = follow(submission.address, submission.job, sys.stderr, verbose=args.verbose)
    except KeyboardInterrupt:
        show_detached(sys.stderr, submission)
        raise Interrupted(f"detached; job {submission.job} continues") from None
    show_kept(sys.stderr, submission)
    if args.report and is_uri(submission.storage):
        report.write_at_the_end(submission.sweep, submission.storage)
    return result


def _plan(args: argparse.Namespace) -> dict[str, Any]:
    if args.space_only:
        return _space(args)
    config = config_of(args)
    from raysweep.sweep.plan import make_plan
    from raysweep.terminal.console import open_console
    from raysweep.terminal.plan import show_notices, show_plan

    plan = make_plan(config, args.name, args.show, args.address)
    if not args.json:
        show_notices(open_console(sys.stderr), plan.notices)
        show_plan(open_console(sys.stdout), plan)
    return plan.to_json()


def _space(args: argparse.Namespace) -> dict[str, Any]:
    """Show the space of a sweep file alone."""
    if args.sweep is None or args.config or args.overrides:
        raise UserError("--space-only shows only a sweep file: give --sweep FILE and no config")
    from raysweep.config import load_sweep
    from raysweep.search.space_plan import plan_space
    from raysweep.terminal.console import open_console
    from raysweep.terminal.plan import show_notices, show_space

    sweep, notices = load_sweep(args.sweep)
    plan = plan_space(sweep, notices, args.show)
    if not args.json:
        show_notices(open_console(sys.stderr), notices)
        show_space(open_console(sys.stdout), plan)
    return plan.to_json()
