"""`run`: start a new sweep and drive it to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from raysweep.cluster import caller, cluster, signals
from raysweep.cluster.resources import trial_resources
from raysweep.config import Config, load_config
from raysweep.events import Observer, silent
from raysweep.search import space
from raysweep.search.warm_start import Earlier
from raysweep.storage.open_storage import open_storage
from raysweep.storage.past import Past
from raysweep.storage.storage import Storage, new_sweep_name
from raysweep.sweep import in_wandb, preflight
from raysweep.sweep.announce import (
    announcement,
    first_event,
    interruptible,
    kept_where_input_is_wrong,
    logs_command,
)
from raysweep.sweep.drive import Drive, drive
from raysweep.sweep.environment import with_project, with_promote
from raysweep.sweep.job import job
from raysweep.sweep.result import SweepResult
from raysweep.tracking import choose, connect
from raysweep.trials.workloads import preload_of, workload_of


def run_sweep(
    config: Config | Mapping[str, Any] | str | Path | None = None,
    *,
    name: str | None = None,
    storage: str | Path | None = None,
    address: str | None = None,
    local_mode: bool = False,
    verbose: bool = False,
    observer: Observer = silent,
    warm_start: Sequence[str] = (),
    promote: Literal["always", "if_better"] | None = None,
    fail_fast: bool = False,
) -> SweepResult:
    """Run a sweep from raw data to a model tagged `best`: what `python -m raysweep run` calls.

    `config` is a Config, a mapping of its sections, the path of a YAML file, or None for the
    default MNIST sweep. `storage` overrides the config's. `address` joins a running Ray cluster;
    without it Ray is started on this machine, unless the process has initialised it already, and
    shut down afterwards. `observer` is called with every event, in this process. `warm_start` names
    earlier sweeps of the storage, whose completed trials the sampler of method bayes starts from.
    `promote` overrides the config's `tracking.promote`: when the alias `best` moves to the winner.
    With `fail_fast` the first trial that fails ends the sweep.

    Raises UserError if the input is wrong (nothing is left behind), Interrupted if the user stopped
    it, and SweepFailed if no trial succeeded, or if a stage, the evaluation or, with `fail_fast`, a
    trial failed. What the user's own code raised is then its cause, and in local mode its frames
    are the innermost of the traceback: a debugger's post-mortem is there.

    Leaves the process as it was (see `cluster.caller`). A process runs one sweep at a time; another
    thread that starts one meanwhile gets a UserError.
    """
    with caller.process_restored(local_mode=local_mode):
        config = with_promote(with_project(_as_config(config)), promote)
        with open_storage(storage or config.storage, f"sweep {name or config.sweep.name}") as place:
            options = (address, local_mode, verbose, observer, warm_start, fail_fast)
            found = _run_in(place, config, name, *options)
            return found.at(place)


def _run_in(
    place: Storage,
    config: Config,
    name: str | None,
    address: str | None,
    local_mode: bool,
    verbose: bool,
    observer: Observer,
    warm_start: Sequence[str],
    fail_fast: bool,
) -> SweepResult:
    """Run the sweep in a local folder."""
    started = time.monotonic()
    choice = choose(config.tracking.backend)
    preflight.check(config, place, name, address=address)
    earlier = Earlier.of(place, warm_start, config)
    tracking = config.tracking
    there = (tracking.project, tracking.entity, ", or use --tracker trackio")
    url = connect(*there) if choice.backend == "wandb" else None
    name = name or new_sweep_name(config.sweep.name or "sweep")
    others = cluster.may_have_other_nodes(address)
    with interruptible(place, name, address):
        ray_there = cluster.connect(
            address,
            local_mode=local_mode,
            verbose=verbose,
            modules=config.own_modules(),
            fast_start=config.resources.fast_start,
            preload=preload_of(config.kind),
        )
        with signals.watched(), ray_there as of_ray:
            trials, joined = space.trial_count(config), address is not None
            resources = trial_resources(config, trials, observer, joined=joined)
            workload = workload_of(config)
            config, warning = workload.at_hand(config)
            if others:
                workload.send(config)
            found = workload.settings(config, resources, Past())
            first = first_event(config, workload, resources, earlier.names, found.values)
            new = job(config, place, choice.backend, name, started, first, verbose=verbose)
            with kept_where_input_is_wrong(place, name, address), new as this:
                no_page = in_wandb.open_page(this.tracker, this.folder, config.to_dict())
                notices = (*of_ray, *found.notices, *([no_page] if no_page else []))
                asked = (this, config, workload, choice, url, resources)
                observer(announcement(*asked, warning, notices=notices))
                logs = logs_command(place, name)
                how = Drive(
                    *(resources, observer, verbose, earlier, found.values, logs),
                    fail_fast=fail_fast,
                )
                return drive(this, config, workload, how)


def _as_config(config: Config | Mapping[str, Any] | str | Path | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.from_dict(config)
    return load_config(None if config is None else Path(config))
