"""Going on with a sweep whose driver is gone: killed, interrupted, or lost with its machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raysweep.cluster import caller, cluster, precision, signals
from raysweep.config import Config, look_in
from raysweep.config.yaml import read_mapping
from raysweep.errors import TrackerRefused, UserError
from raysweep.events import Observer, Resumed, silent
from raysweep.search import space
from raysweep.search.warm_start import Earlier
from raysweep.storage.claim import taken_up
from raysweep.storage.journal import read_journal
from raysweep.storage.left_behind import put_away_ended
from raysweep.storage.open_storage import open_storage
from raysweep.storage.past import Past
from raysweep.storage.power import boot
from raysweep.storage.reading import StoredSweep
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.sweep.announce import announcement, interruptible, versions
from raysweep.sweep.drive import Drive, drive
from raysweep.sweep.job import Job, job_again
from raysweep.sweep.recovery import lost_epochs, put_in_order
from raysweep.sweep.result import SweepResult
from raysweep.tracking import Choice, connect
from raysweep.trials.workloads import workload_of


def resume_sweep(
    name: str | None = None,
    *,
    storage: str | Path | None = None,
    address: str | None = None,
    local_mode: bool = False,
    verbose: bool = False,
    observer: Observer = silent,
    retry_failed: bool = False,
) -> SweepResult:
    """Go on with the named sweep, or the latest: what `python -m raysweep resume` calls.

    Trials that had ended are not run again; those under way go on from their last checkpoint, as
    the same runs; the rest of the sweep follows as if nothing had happened. With `retry_failed`
    trials that failed are run again, from their beginning, as the same runs, also of a sweep that
    has ended: its best is then chosen anew. The other arguments are those of `run_sweep`.

    A trial whose checkpoint is damaged or gone is trained again, and told of as it was; so is what
    a power cut took.

    Raises UserError where there is nothing to go on with (no such sweep, it has ended, or another
    process drives it), and where what it goes on from is not what it was: its config, its data.
    Then nothing has been changed that is not damaged. Else raises as `run_sweep`, and leaves the
    process as it was, too.
    """
    where = storage or Config().storage
    options = (address, local_mode, verbose, observer, retry_failed)
    alone = caller.left_as_it_was(local_mode=local_mode)
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
) -> SweepResult:
    """Go on in a folder of this machine."""
    started = time.monotonic()
    stored = StoredSweep.find(storage, name)
    folder, place = stored.folder, stored.storage
    if folder.result() is not None:
        put_away_ended(stored)
    with taken_up(folder), interruptible(place, stored.record.name, address):
        past = Past(read_journal(folder.journal))
        retry_failed = retry_failed and bool(past.failed())
        _check_not_ended(stored, past, retry_failed)
        config = _config(folder, past)
        if retry_failed:
            _check_checkpoints(stored, config)
        lost = lost_epochs(stored, past, config.resources.checkpoint_every)
        past = put_in_order(stored, past)
        workload_of(config).check_again(config, past, stored)
        record = stored.record
        url, unreachable = _reach_wandb(record, config)
        ray_there = cluster.connect(
            address,
            local_mode=local_mode,
            verbose=verbose,
            modules=config.own_modules(),
            fast_start=config.resources.fast_start,
        )
        with signals.watched(), ray_there as of_ray:
            resources = _resources(config, past, observer, joined=address is not None)
            with job_again(folder, place, config, past, started) as this:
                found = precision.of_machines(config, resources, past.precision)
                again = {"precision": found.format, "boot": boot(), "versions": versions()}
                this.journal.write("resumed", **again)
                folder.reopen()
                choice = Choice(record.tracker, "as before")  # type: ignore[arg-type]
                said, notices = _resumed(past, retry_failed), (*lost, *of_ray, *found.notices)
                warning = _without_wandb(this, unreachable) if unreachable else None
                observer(
                    announcement(
                        this, config, choice, url, resources, warning, said, notices=notices
                    )
                )
                earlier = Earlier(place, tuple(past.started["warm_start"]))
                how = Drive(resources, observer, verbose, earlier, found.format, retry_failed)
                return drive(this, config, how)


def _check_not_ended(stored: StoredSweep, past: Past, retry_failed: bool) -> None:
    """Raise UserError where nothing is left to do: with `retry_failed`, where none may run."""
    name = stored.record.name
    if retry_failed:
        over = [event["why"] for event in past.of("budget") if event["why"] != "max_trials"]
        if over:
            raise UserError(
                f"--retry-failed: {name} was ended by its {over[0]}, after which no trial runs; "
                "leave it out, or start a new sweep"
            )
    elif stored.folder.result() is not None:
        raise UserError(f"{name}: has ended; see `python -m raysweep best {name}`")


def _check_checkpoints(stored: StoredSweep, config: Config) -> None:
    """Raise UserError for a population that has ended and dropped what a trial may go on from."""
    ended = stored.folder.result() is not None
    if ended and config.sweep.pbt is not None and config.tracking.keep == "best":
        raise UserError(
            f"--retry-failed: {stored.record.name} was a population, and tracking.keep: best has "
            "dropped its checkpoints, from which a trial may have to go on; start a new sweep"
        )


def _reach_wandb(record: SweepRecord, config: Config) -> tuple[str | None, str | None]:
    """Where W&B shows the project of a sweep in W&B, or why it cannot be reached: what the sweep
    needs is kept in the storage, so it goes on without."""
    if record.tracker != "wandb":
        return None, None
    try:
        return connect(config.tracking.project, config.tracking.entity), None
    except TrackerRefused as error:
        return None, str(error)


def _without_wandb(job: Job, unreachable: str) -> str:
    """Begin without W&B, so that no process of the sweep waits for it. Returns the warning."""
    from raysweep.tracking.mirror.tracker import MirroredTracker

    assert isinstance(job.tracker, MirroredTracker)
    job.tracker.begin_unreachable(unreachable)
    return f"{unreachable}. The sweep goes on, and is kept here: `sync` sends what W&B lacks then"


def _config(folder: SweepFolder, past: Past) -> Config:
    """The sweep's. Raises UserError where the copy beside its journal says something else now."""
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
    # Where it lies is known. Its URI is not looked at: one of an earlier raysweep may hold a key.
    return Config.from_dict({key: value for key, value in then.items() if key != "storage"})


def _differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """`train.epochs: 3, now 5`, for each value that differs."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(then.get(key), now.get(key), f"{where}.{key}" if where else key)
    elif then != now:
        yield f"{where}: {then}, now {now}"


def _resources(
    config: Config, past: Past, observer: Observer, *, joined: bool
) -> cluster.Resources:
    """What a trial had then: another number of threads would give other weights. Raises UserError
    where no machine has it."""
    cpus, gpus = past.started["cpus"], past.started["gpus"]
    fixed = config.resources.model_copy(update={"cpus": cpus, "gpus": gpus})
    before = config.model_copy(update={"resources": fixed})
    try:
        trials = space.trial_count(config)
        return cluster.resources(before, trials, observer, joined=joined)
    except UserError as error:
        raise UserError(
            f"resume: a trial of the sweep has {cpus:g} CPUs and {gpus:g} GPUs, and no machine "
            "here has as many; resume it on one that has, or join a cluster with --address"
        ) from error


def _resumed(past: Past, retry_failed: bool) -> Resumed:
    then, now = past.started["versions"], versions()
    changed = [f"{name} {then[name]}, now {now[name]}" for name in now if then[name] != now[name]]
    return Resumed(
        ended=len(past.ended()),
        under_way=len(past.epochs_told()),
        changed=tuple(changed),
        retried=len(past.failed()) if retry_failed else 0,
    )
