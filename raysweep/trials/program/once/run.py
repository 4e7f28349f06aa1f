"""Run a program once, outside of the trials: in a run of its own, with the endpoint behind it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from raysweep.cluster.sending import Sent
from raysweep.config import Config
from raysweep.config.raised import whole_cause
from raysweep.errors import CodeFailed, TrackingError, WorkerDied
from raysweep.stages.versions import STAGE_RETRIES
from raysweep.tracking import Tracker
from raysweep.tracking.endpoint import Endpoint, recorded
from raysweep.tracking.endpoint.live import LiveRun
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.store import Store
from raysweep.trials.inputs import Inputs
from raysweep.trials.program.calls import Call, users_folder
from raysweep.trials.program.errors import ProgramKilled
from raysweep.trials.program.folder import workdir
from raysweep.trials.program.folder.clients import names_in
from raysweep.trials.program.folder.scratch import send_through
from raysweep.trials.program.folder.sent import clients_folders, folder_here, root_here
from raysweep.trials.program.once import earlier
from raysweep.trials.program.once.earlier import Logged
from raysweep.trials.program.process.ending import Deadline, Said, check_signal
from raysweep.trials.program.process.environ import keep_address, program_environ
from raysweep.trials.program.process.supervised import ProgramProcess

_LOOK_S = 0.2

_OF_A_TRIAL = ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")
"""Variables that make the client take the sweep's values, of which such a program has none."""


def run_once(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    call: Call,
    place: Path | Inputs,
    threads: int,
    identity: str | None = None,
    sent: Sent | None = None,
) -> Logged:
    """Run a program to its end, as the sweep's run `call.name`; return what it logged.

    `place`: the sweep's folder, in which it gets one of its own, or what knows it on any node.
    `identity`: kept with the run, so that a later sweep finds it. `sent`: the user's folder, for
    another node than the driver's. A program that a signal killed is started again. Raises
    CodeFailed, with the exception's place and traceback, where it fails; where it takes longer than
    `program.timeout`, too.
    """
    own = place if isinstance(place, Path) else root_here(place)
    users, environ = folder_here(config, place, sent), clients_folders(place)
    for again in range(STAGE_RETRIES, -1, -1):
        try:
            return _run(tracker, sweep, config, call, (own, users), environ, threads, identity)
        except ProgramKilled as error:
            if not again:
                raise CodeFailed(
                    f"{call.where}: {call.shown}: was killed {STAGE_RETRIES + 1} times ({error})"
                ) from None
            print(f"raysweep: {call.shown}: {error}; it is started again", flush=True)
    raise AssertionError("the last attempt returns or raises")


def _run(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    call: Call,
    folders: tuple[Path, Path],
    more: Mapping[str, str],
    threads: int,
    identity: str | None,
) -> Logged:
    """Run the program in its run, once. `folders`: the one below which it gets its own, and the
    user's; `more`: variables of its environment, besides those of `program_environ`."""
    spec = sweep.run(call.name, call.job_type, {})
    run = tracker.start_run(spec, after=-1)
    store: Store = tracker.store  # type: ignore[attr-defined]
    send_through(tracker, folders[0] / "programs" / f".{call.name}-sent")
    endpoint = Endpoint(
        lambda _: store,
        first=run.id,
        say=lambda line: print(f"raysweep: {line}", flush=True),
        folder=folders[0] / "programs" / f".{call.name}",
    )
    try:
        code, said, folders = _ended(endpoint, tracker, sweep, config, call, folders, more, threads)
        endpoint.close_runs(code)
        live = endpoint.run(run.id)
        if code or (live is not None and live.exit_code):
            raise _failed(call, code, live, said, folders, config)
        logged = _logged(endpoint, run.id, live)
        spec = spec if live is None else live.spec
        attributes = dict(spec.attributes)
        if identity is not None:
            attributes[earlier.NOTE] = earlier.note(identity, logged)
        job_type = attributes.pop("job_type", spec.job_type)
        store.describe_run(replace(spec, job_type=str(job_type), attributes=attributes))
    except BaseException as error:
        with suppress(TrackingError):  # report the first error, not this one
            endpoint.close_runs(1)
            run.finish("failed", whole_cause(error))
        raise
    finally:
        endpoint.stop()
    run.finish()
    return logged


def _ended(
    endpoint: Endpoint,
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    call: Call,
    folders: tuple[Path, Path],
    more: Mapping[str, str],
    threads: int,
) -> tuple[int, str, tuple[Path, Path]]:
    """Run the process in its folder; return its exit code, the end of its stderr, and its folder
    and the user's. Raises ProgramKilled, and CodeFailed where it takes too long."""
    place, users = folders
    own = users
    if config.program.folder == "own":
        own = workdir.make(place / "programs" / call.name, users, place.parent.resolve())
    run_id = sweep.run_id(call.name)
    whole = program_environ(endpoint.environ(), sweep.id, run_id, tracker.project, {}, own, threads)
    environ = {name: value for name, value in whole.items() if name not in _OF_A_TRIAL}
    environ.update(more)
    if own != users:
        keep_address(own, environ)
    deadline = Deadline(config.program.timeout)
    process = ProgramProcess(call.expanded(config, environ), own, environ)
    try:
        while not process.wait(_LOOK_S):
            if (late := deadline.passed()) is not None:
                raise CodeFailed(f"{call.where}: {call.shown}: {late}")
    finally:
        process.kill()
        if own != users:
            workdir.drop_users(own, users, names_in(tracker.store))  # type: ignore[attr-defined]
    code = process.exit_code or 0
    check_signal(code)
    return code, process.stderr(), (own, users)


def _failed(
    call: Call,
    code: int,
    live: LiveRun | None,
    stderr: str,
    folders: tuple[Path, Path],
    config: Config,
) -> CodeFailed:
    """Make the error, which names the exception that ended the program, and where in the user's
    folder, as far as its stderr tells."""
    words = call.expanded(config, os.environ)
    said = Said.of(stderr, folders, users_folder(config), words)
    how = f"ended with exit code {code}"
    if not code and live is not None:
        how = f"closed its run with exit code {live.exit_code}"
    error = CodeFailed(f"{call.where}: {call.shown}: {how}{said.why}")
    error.printed = True
    said.noted_in(error, str(error))
    return error


def _logged(endpoint: Endpoint, run_id: str, live: LiveRun | None) -> Logged:
    """Collect what all runs of the program used and logged."""
    used = {ref for run in recorded(endpoint) for ref in run["used"]}
    with endpoint.state.lock:
        asked = {
            name: ref
            for project in endpoint.state.projects.values()
            for name, ref in project.asked.items()
            if ref in used and name != ref
        }
        given: dict[str, dict[str, None]] = {}  # of this process: an earlier one may have died
        for draft in endpoint.state.drafts.values():
            if draft.version is not None:
                names = [str(each["alias"]) for each in draft.said.get("aliases") or ()]
                given.setdefault(draft.version.ref, {}).update(dict.fromkeys(["latest", *names]))
    aliases = {ref: tuple(names) for ref, names in given.items()}
    return Logged(run_id, tuple(given), aliases, asked, dict(live.summary) if live else {})


def worker_died(call: Call) -> WorkerDied:
    """Make the error of a program that runs once whose worker died in each attempt."""
    return WorkerDied(
        f"{call.where}: {call.shown}: its process died {STAGE_RETRIES + 1} times: killed, or "
        "out of memory"
    )
