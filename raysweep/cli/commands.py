"""The commands: each parses, calls, prints. Heavy imports are inside the commands.

The answer of a command (`list`, `best`, `plan`, `lineage`) goes to stdout; progress, warnings and
hints go to stderr. With `--json`, stdout is one JSON object and nothing else. Exit codes: 0 done,
1 the sweep failed, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.addresses import is_uri, refuse_keys
from raysweep.cli.arguments import parse
from raysweep.errors import Interrupted, RaysweepError, UserError
from raysweep.paths import is_of_the_disk
from raysweep.storage.bucket.hung import end_now_if_hung
from raysweep.terminal.process import ended_by_the_second_interrupt, stdout_for_json, terminable
from raysweep.terminal.streams import to_nowhere, usable_streams

if TYPE_CHECKING:
    from raysweep.config import Config
    from raysweep.events import Observer
    from raysweep.storage.reading import StoredSweep
    from raysweep.sweep.result import SweepResult


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    with usable_streams():
        return _main(parse(argv))


def _main(args: argparse.Namespace) -> int:
    try:
        with stdout_for_json(args.json) as args.out, terminable():
            answer = COMMANDS[args.command](args)
            if args.json and answer is not None:
                print(json.dumps(answer, allow_nan=False), file=args.out, flush=True)
            sys.stdout.flush()  # here: a broken pipe is handled below, not at exit
        return 0
    except RaysweepError as error:
        print(f"raysweep: {error}", file=sys.stderr)
        end_now_if_hung(error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        print("raysweep: interrupted", file=sys.stderr)
        return Interrupted.exit_code
    except BrokenPipeError:  # `raysweep list | head`: the reader has ended
        to_nowhere(sys.stdout)
        return 0
    except OSError as error:
        if not is_of_the_disk(error):
            raise
        place = error.filename or "what it writes to"
        print(f"raysweep: {place}: {error.strerror}; make room, and try again", file=sys.stderr)
        to_nowhere(sys.stdout)  # else Python would report the error again at exit
        return 1


def _config(args: argparse.Namespace) -> Config:
    from raysweep.config import load_config

    refuse_keys("--storage", args.storage)
    overrides = list(args.overrides)
    if args.tracker:
        overrides.append(f"tracking.backend={args.tracker}")
    if args.storage:
        overrides.append(f"storage={json.dumps(str(args.storage))}")
    return load_config(args.config, overrides, args.sweep)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    config = _config(args)

    def run(observer: Observer, **on_ray: Any) -> SweepResult:
        from raysweep.sweep.sweep import run_sweep  # Ray: over a second, after the first output

        more = {"name": args.name, "warm_start": args.warm_start}
        return run_sweep(config, observer=observer, **more, **on_ray)

    return _watched(args, run, config.storage, fast_start=config.resources.fast_start)


def _resume(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.storage.left_behind import clean_up_ended

    try:
        with _stored(args) as stored:
            name, result = stored.record.name, stored.folder.result()
            if args.retry_failed and stored.failed():
                result = None
            elif result is not None:
                clean_up_ended(stored)
    except UserError:
        if not is_uri(_storage(args)):
            raise
        name, result = args.sweep, None  # a copy of this machine may have what is not there yet
    if result is not None:
        none_failed = " (no trial of it failed)" if args.retry_failed else ""
        print(f"{name} has ended already{none_failed}: nothing is left to do", file=sys.stderr)
        return result

    def resume(observer: Observer, **on_ray: Any) -> SweepResult:
        from raysweep.sweep.resume import resume_sweep

        more = {"storage": _storage(args), "retry_failed": args.retry_failed}
        return resume_sweep(name, observer=observer, **more, **on_ray)

    return _watched(args, resume, _storage(args))


def _watched(
    args: argparse.Namespace,
    sweep: Callable[..., SweepResult],
    storage: Path | str,
    *,
    fast_start: bool = True,
) -> dict[str, Any]:
    """Call `sweep`, show its progress and result, and return the result as JSON."""
    from raysweep.cluster.faststart import fork_server
    from raysweep.config import Config
    from raysweep.terminal.console import open_console
    from raysweep.terminal.live import LiveTable
    from raysweep.terminal.plain import PlainLines
    from raysweep.terminal.summary import show_result

    console = open_console(sys.stderr)
    live = console.is_terminal and not args.verbose
    on_ray = {name: getattr(args, name) for name in ("address", "local_mode", "verbose")}
    shown = LiveTable(console) if live else PlainLines(sys.stderr)
    # It imports what the workers need while we do, too.
    options = {"local_mode": args.local_mode, "fast_start": fast_start}
    workers = fork_server.running_for(args.address, **options)
    with ended_by_the_second_interrupt(), workers, shown as observer:
        result = sweep(observer, **on_ray)
    usual = Path(storage) == Path(Config().storage)
    show_result(console, result, None if usual else storage)
    return result.to_json()


def _submit(args: argparse.Namespace) -> dict[str, Any]:
    config = _config(args)
    from raysweep.submission.following import follow
    from raysweep.submission.submission import submit
    from raysweep.terminal.submission import show_detached, show_kept, show_submitted

    submission = submit(
        config, args.address, name=args.name, verbose=args.verbose, warm_start=args.warm_start
    )
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
    return result


def _plan(args: argparse.Namespace) -> dict[str, Any]:
    if args.space_only:
        return _space(args)
    config = _config(args)
    from raysweep.sweep.plan import make_plan
    from raysweep.terminal.console import open_console
    from raysweep.terminal.plan import show_notices, show_plan

    plan = make_plan(config, args.name, args.show)
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


def _list(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.stderr import to_stderr
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.reading import listed
    from raysweep.terminal.console import open_console
    from raysweep.terminal.summary import show_sweeps

    with read_storage(_storage(args), results=True) as storage:
        sweeps = listed(storage, to_stderr)
    if not args.json and sweeps:
        show_sweeps(open_console(sys.stdout), sweeps)
    elif not args.json:
        print(f"no sweep in {storage.shown}: `python -m raysweep run` starts one", file=sys.stderr)
    return {"sweeps": sweeps}


def _best(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.terminal.console import open_console
    from raysweep.terminal.summary import show_best

    with _stored(args) as stored:
        result = stored.result()
        if args.download:
            stored.download_best(args.download)
    if not args.json:
        show_best(open_console(sys.stdout), stored.record.name, result, args.download)
    downloaded = {"download": str(args.download.resolve())} if args.download else {}
    return {"sweep": stored.record.name, **result["best"], "test": result["test"], **downloaded}


def _lineage(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.terminal.graph import lineage_lines

    with _stored(args) as stored:
        lineage = stored.lineage(args.artifact)
    if not args.json:
        print("\n".join(lineage_lines(lineage)))
    return lineage.to_json()


def _dashboard(args: argparse.Namespace) -> None:
    with _stored(args, media=True) as stored:
        _serve(args, stored)


def _serve(args: argparse.Namespace, stored: StoredSweep) -> None:
    import webbrowser

    from raysweep.tracking import dashboard

    result = stored.folder.result()
    if stored.record.tracker != "trackio":
        raise UserError(f"{stored.record.name} is recorded in W&B; its page is there")
    ref = result["best"]["artifact"] if result else None
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


def _sync(args: argparse.Namespace) -> dict[str, Any]:
    from raysweep.storage.open_storage import open_storage
    from raysweep.sweep.syncing import sync_sweep
    from raysweep.terminal.console import open_console
    from raysweep.terminal.syncing import SyncProgress, show_synced

    console = open_console(sys.stderr)
    with open_storage(_storage(args), "sync") as storage, SyncProgress(console) as progress:
        synced = sync_sweep(storage, args.sweep, progress)
    show_synced(console, synced)
    return synced.to_json()


COMMANDS = {
    "run": _run,
    "resume": _resume,
    "submit": _submit,
    "plan": _plan,
    "list": _list,
    "best": _best,
    "lineage": _lineage,
    "dashboard": _dashboard,
    "sync": _sync,
}


@contextlib.contextmanager
def _stored(args: argparse.Namespace, media: bool = False) -> Iterator[StoredSweep]:
    from raysweep.storage.open_storage import read_storage
    from raysweep.storage.reading import StoredSweep

    with read_storage(_storage(args), media=media) as storage:
        yield StoredSweep.find(storage, args.sweep)


def _storage(args: argparse.Namespace) -> Path | str:
    from raysweep.config import Config

    return args.storage or Config().storage
