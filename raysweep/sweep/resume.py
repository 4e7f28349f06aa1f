"""`resume`: continue a sweep whose driver was killed, interrupted, or lost with its machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from raysweep.cluster import caller, cluster, signals
from raysweep.cluster.resources import Resources, trial_resources
from raysweep.config import Config, look_in
from raysweep.config.yaml import read_mapping
from raysweep.errors import TrackerRefused, UserError
from raysweep.events import Observer, Resumed, silent
from raysweep.invocation import program
from raysweep.search import space
from raysweep.search.warm_start import Earlier
from raysweep.storage.claim import reclaimed
from raysweep.storage.journal import read_journal
from raysweep.storage.left_behind import clean_up_ended
from raysweep.storage.open_storage import open_storage
from raysweep.storage.past import Past
from raysweep.storage.power import boot
from raysweep.storage.reading import StoredSweep
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.sweep import in_wandb
from raysweep.sweep.announce import announcement, interruptible, logs_command, versions
from raysweep.sweep.drive import Drive, drive
from raysweep.sweep.environment import with_promote
from raysweep.sweep.job import Job, job_again
from raysweep.sweep.recovery import lost_epochs, put_in_order
from raysweep.sweep.result import SweepResult
from raysweep.tracking import Choice, connect
from raysweep.trials.workloads import preload_of, workload_named


def resume_sweep(
    name: str | None = None,
    *,
    storage: str | Path | None = None,
    address: str | None = None,
    local_mode: bool = False,
    verbose: bool = False,
    observer: Observer = silent,
    retry_failed: bool = False,
    promote: Literal["always", "if_better"] | None = None,
    fail_fast: bool = False,
) -> SweepResult:
    """Resume the named sweep, or the latest: what `python -m raysweep resume` calls.

    Ended trials are not run again; running ones continue from their last checkpoint, as the same
    runs; the rest of the sweep follows as if nothing had happened. With `retry_failed` failed
    trials are run again from their beginning, as the same runs, also in a sweep that has ended,
    whose best is then chosen again. `promote` is `tracking.promote` from here on, instead of what
    the sweep was started with. The other arguments are those of `run_sweep`.

    A trial whose checkpoint is damaged or missing is trained again, as is whatever a power cut
    took; its earlier reports stay as they are.

    Raises UserError if there is nothing to resume (no such sweep, it has ended, or another process
    drives it), or if its config or data has changed since; only damaged files have been touched
    then. Otherwise raises as `run_sweep` does, and also leaves the process as it was.
    """
    where = storage or Config().storage
    options = (address, local_mode, verbose, observer, retry_failed, promote, fail_fast)
    alone = caller.process_restored(local_mode=local_mode)
    with alone, open_storage(where, f"resume {name or ''}".strip()) as place:
        return _resume_in(place, name, *options).at(place)


def _resume_in(
    storage: Storage,
    name: str | None,
    address: str | None,
    local_mode: bool,
    verbose: bool,
    observer: Observer,
    retry_failed: bool,
    promote: str | None,
    fail_fast: bool,
) -> SweepResult:
    """Resume in a local folder."""
    started = time.monotonic()
    stored = StoredSweep.find(storage, name)
    folder, place = stored.folder, stored.storage
    if place.origin is not None:
        place.origin.logs(stored.record.name)
    if folder.result() is not None:
        clean_up_ended(stored)
    with reclaimed(folder), interruptible(place, stored.record.name, address):
        past = Past(read_journal(folder.journal))
        retry_failed = retry_failed and bool(past.failed())
        _check_not_ended(stored, past, retry_failed)
        config = with_promote(_config(folder, past), promote or past.promote)
        if retry_failed:
            _check_checkpoints(stored, config)
        workload = workload_named(stored.record.kind)
        lost = (
            []
            if workload.cannot_pause
            else lost_epochs(stored, past, config.resources.checkpoint_every)
        )
        past = put_in_order(stored, past)
        workload.check_again(config, past, stored)
        record = stored.record
        url, unreachable = _reach_wandb(record, config)
        others = cluster.may_have_other_nodes(address)
        ray_there = cluster.connect(
            address,
            local_mode=local_mode,
            verbose=verbose,
            modules=config.own_modules(),
            fast_start=config.resources.fast_start,
            preload=preload_of(record.kind),
        )
        with signals.watched(), ray_there as of_ray:
            resources = _resources(config, past, observer, joined=address is not None)
            if others:
                workload.send(config)
            reopened = job_again(folder, place, config, past, started, verbose=verbose)
            with reopened as this:
                found, now = workload.settings(config, resources, past), versions(workload)
                this.journal.write(
                    "resumed", **found.values, boot=boot(), versions=now, promote=promote
                )
                folder.reopen()
                choice = Choice(record.tracker, "as before")  # type: ignore[arg-type]
                said, notices = _resumed(past, now, retry_failed), (*lost, *of_ray, *found.notices)
                warning = _without_wandb(this, unreachable) if unreachable else None
                no_page = in_wandb.open_page(this.tracker, folder, config.to_dict())
                if no_page and not unreachable:
                    notices = (*notices, no_page)
                asked = (this, config, workload, choice, url, resources)
                observer(announcement(*asked, warning, said, notices=notices))
                earlier = Earlier(place, tuple(past.started["warm_start"]))
                logs = logs_command(place, record.name)
                how = Drive(
                    *(resources, observer, verbose, earlier, found.values, logs),
                    retry_failed=retry_failed,
                    fail_fast=fail_fast,
                )
                return drive(this, config, workload, how)


def _check_not_ended(stored: StoredSweep, past: Past, retry_failed: bool) -> None:
    """Raise UserError if nothing is left to do; with `retry_failed`, if no trial may run."""
    name = stored.record.name
    if retry_failed:
        over = [event["why"] for event in past.of("budget") if event["why"] != "max_trials"]
        if over:
            raise UserError(
                f"--retry-failed: {name} was ended by its {over[0]}, after which no trial runs; "
                "leave it out, or start a new sweep"
            )
    elif stored.folder.result() is not None:
        raise UserError(f"{name}: has ended; see `{program()} best {name}`")


def _check_checkpoints(stored: StoredSweep, config: Config) -> None:
    """Raise UserError for a population that has ended and dropped what a trial may go on from."""
    ended = stored.folder.result() is not None
    if ended and config.sweep.pbt is not None and config.tracking.keep == "best":
        raise UserError(
            f"--retry-failed: {stored.record.name} was a population, and tracking.keep: best has "
            "dropped its checkpoints, from which a trial may have to go on; start a new sweep"
        )


def _reach_wandb(record: SweepRecord, config: Config) -> tuple[str | None, str | None]:
    """For a sweep in W&B, return the project's page, or why W&B cannot be reached: the sweep then
    continues without it, since all that it needs is in the storage."""
    if record.tracker != "wandb":
        return None, None
    try:
        return connect(config.tracking.project, config.tracking.entity), None
    except TrackerRefused as error:
        return None, str(error)


def _without_wandb(job: Job, unreachable: str) -> str:
    """Start without W&B, so that no process of the sweep waits for it. Return the warning."""
    from raysweep.tracking.mirror.tracker import MirroredTracker

    assert isinstance(job.tracker, MirroredTracker)
    job.tracker.begin_unreachable(unreachable)
    return f"{unreachable}. The sweep goes on, and is kept here: `sync` sends what W&B lacks then"


def _config(folder: SweepFolder, past: Past) -> Config:
    """Read the sweep's config from its journal. Raises UserError if `config.yaml` differs."""
    if not past.events:
        raise UserError(
            f"{folder.path}: the sweep was stopped before it had started, so there is nothing to "
            "go on with; remove the folder and run it again"
        )
    then: Mapping[str, Any] = past.started["config"]
    changes = list(_differences(then, read_mapping(folder.config)))
    if changes:
        raise UserError(
            f"{folder.config}: the config is not the one that the sweep was started with "
            f"({'; '.join(changes)}); put it back, or start a new sweep"
        )
    for path in past.started["modules"]:
        look_in(Path(path))
    look_in(Path.cwd())
    # The storage is known; its URI is not parsed, since an earlier raysweep accepted keys in it.
    return Config.from_dict({key: value for key, value in then.items() if key != "storage"})


def _differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield `train.epochs: 3, now 5` for each value that differs."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(then.get(key), now.get(key), f"{where}.{key}" if where else key)
    elif then != now:
        yield f"{where}: {then}, now {now}"


def _resources(config: Config, past: Past, observer: Observer, *, joined: bool) -> Resources:
    """Give a trial the resources that it had: another number of threads gives other weights. Raises
    UserError if no machine has them."""
    cpus, gpus = past.started["cpus"], past.started["gpus"]
    fixed = config.resources.model_copy(update={"cpus": cpus, "gpus": gpus})
    before = config.model_copy(update={"resources": fixed})
    try:
        trials = space.trial_count(config)
        return trial_resources(before, trials, observer, joined=joined)
    except UserError as error:
        raise UserError(
            f"resume: a trial of the sweep has {cpus:g} CPUs and {gpus:g} GPUs, and no machine "
            "here has as many; resume it on one that has, or join a cluster with --address"
        ) from error


def _resumed(past: Past, now: Mapping[str, str], retry_failed: bool) -> Resumed:
    """Count what the past has. `now`: the current versions."""
    then = past.started["versions"]
    both = [name for name in now if name in then]  # another raysweep may have noted others
    changed = [f"{name} {then[name]}, now {now[name]}" for name in both if then[name] != now[name]]
    return Resumed(
        ended=len(past.ended()),
        under_way=len(past.epochs_told()),
        changed=tuple(changed),
        retried=len(past.failed()) if retry_failed else 0,
    )
