"""Announce the start of a sweep, to the observer and in the journal, and explain how it stopped."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raysweep.cluster import signals
from raysweep.cluster.resources import Resources
from raysweep.config import Config
from raysweep.errors import (
    CodeFailed,
    Interrupted,
    StorageFailed,
    StoreFailed,
    SweepFailed,
    UserError,
)
from raysweep.events import Resumed, SweepStarted
from raysweep.invocation import program
from raysweep.paths import is_of_the_disk
from raysweep.search import space
from raysweep.search.failures import FailedFast, Hopeless
from raysweep.storage.power import boot
from raysweep.storage.stop import StorageLost
from raysweep.storage.storage import Storage
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.sweep import failing
from raysweep.sweep.axes import display_in
from raysweep.sweep.job import Job
from raysweep.tracking import Choice
from raysweep.trials.work import Workload
from raysweep.version import __version__


def announcement(
    job: Job,
    config: Config,
    workload: Workload,
    choice: Choice,
    url: str | None,
    resources: Resources,
    warning: str | None = None,
    resumed: Resumed | None = None,
    notices: Sequence[str] = (),
) -> SweepStarted:
    """Make the first event of a sweep. `notices`: lines about this machine or cluster, which come
    after the config's."""
    return SweepStarted(
        sweep=job.identity.name,
        folder=job.folder.path,
        tracker=choice.backend,
        reason=choice.reason,
        trials=space.trial_count(config),
        epochs=workload.most_epochs(config),
        concurrent=resources.concurrent,
        cpus=resources.cpus,
        gpus=resources.gpus,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        url=url,
        warning=warning,
        repeats=config.sweep.repeats,
        may_end_early=config.sweep.may_end_early,
        notices=(*config.notices, *notices),
        resumed=resumed,
        display=display_in(config.kind, config.to_dict()),
    )


def first_event(
    config: Config,
    workload: Workload,
    resources: Resources,
    warm_start: Sequence[str],
    settings: Mapping[str, str | None],
) -> Mapping[str, Any]:
    """Make the journal's first event: all that `resume` must know of the sweep's start."""
    return {
        "config": config.to_dict(),
        "modules": [str(path.parent) for path in config.own_modules()],
        "cpus": resources.cpus,
        "gpus": resources.gpus,
        "trials": space.trial_count(config),
        "warm_start": list(warm_start),
        **settings,
        "boot": boot(),
        "versions": versions(workload),
    }


def versions(workload: Workload) -> dict[str, str]:
    """Return the versions of all that the sweep's results may depend on, by name."""
    own = {"raysweep": __version__, "python": platform.python_version()}
    return {**own, **workload.versions(), **{name: version(name) for name in ("ray", "optuna")}}


@contextmanager
def interruptible(storage: Storage, name: str, address: str | None) -> Iterator[None]:
    """Translate what stops a sweep into an error with the command that resumes it: Interrupted for
    KeyboardInterrupt, StorageFailed if the storage is lost, SweepFailed if it is given up."""
    try:
        with signals.last_words(lambda: _interrupted(storage, name, address)), _interrupted_first():
            yield
    except Hopeless as error:
        again = resume_command(storage, name, address)
        failed = SweepFailed(
            f"{error}; see {logs_command(storage, name)} {error.trial}; mend it, and go on: "
            f"{again} --retry-failed (without that, the failed ones stay as they are)"
        )
        failed.traceback = error.traceback
        raise failed from None
    except SweepFailed as error:
        if error.failed:
            again = resume_command(storage, name, address)
            error.args = (f"{error}; mend it, and run what failed again: {again} --retry-failed",)
        raise
    except CodeFailed as error:
        logs, again = logs_command(storage, name), resume_command(storage, name, address)
        raise failing.of_code(error, logs, again)  # noqa: B904 - it has the cause
    except FailedFast as error:
        logs, again = logs_command(storage, name), resume_command(storage, name, address)
        raise failing.of_first_trial(error, logs, again)  # noqa: B904 - as above
    except (StorageLost, StoreFailed) as error:
        raise _stopped(storage, name, address, str(error)) from None
    except OSError as error:
        if not _is_of(storage, error):
            raise
        place = error.filename or storage.root
        why = f"{place}: cannot be written ({error.strerror})"
        raise _stopped(storage, name, address, why) from error
    except KeyboardInterrupt:
        raise Interrupted(_interrupted(storage, name, address)) from None


@contextmanager
def _interrupted_first() -> Iterator[None]:
    """Raise KeyboardInterrupt for what fails because a signal is ending the command: it may have
    ended Ray's processes, too, and Tune may have swallowed the interrupt itself."""
    try:
        yield
    except (OSError, StorageLost, StoreFailed):
        raise
    except Exception as error:
        if signals.is_stopping():
            raise KeyboardInterrupt from error
        raise


def _interrupted(storage: Storage, name: str, address: str | None) -> str:
    if not (storage.root / name / "journal.jsonl").exists():
        return "interrupted before the sweep had started; nothing is kept"
    if SweepFolder(storage.root / name).result() is not None:
        return f"interrupted, and {name} has ended: see it with `{program()} best {name}`"
    return (
        f"interrupted: {name} has no best yet; progress is saved, resume it with: "
        f"{resume_command(storage, name, address)}"
    )


def _is_of(storage: Storage, error: OSError) -> bool:
    """Return whether the storage caused it: a full or failing disk, or a file in its folder."""
    place = error.filename
    inside = isinstance(place, str) and Path(place).is_relative_to(storage.root)
    return inside or is_of_the_disk(error)


def _stopped(storage: Storage, name: str, address: str | None, why: str) -> StorageFailed:
    folder, mend = storage.root / name, "make the storage writable, with room on its disk"
    if not (folder / "journal.jsonl").exists():
        return StorageFailed(f"{name} has not started: {why}; {mend}, and run it again")
    if (folder / "result.json").exists():
        return StorageFailed(
            f"{name} has ended, and its result is kept, but {why}; {mend}, and see it: "
            f"{resume_command(storage, name, address)}"
        )
    return StorageFailed(
        f"{name} stopped: {why}; {mend}, and go on: {resume_command(storage, name, address)}"
    )


@contextmanager
def kept_where_input_is_wrong(storage: Storage, name: str, address: str | None) -> Iterator[None]:
    """Raise UserErrors again with the command that resumes the sweep, if trials have run: a custom
    evaluation may turn out to be wrong only then, and the sweep's folder is kept."""
    try:
        yield
    except UserError as error:
        if not (storage.root / name / "journal.jsonl").exists():
            raise
        raise UserError(
            f"{error}; the trials are kept: mend it, and go on: "
            f"{resume_command(storage, name, address)}"
        ) from error


def logs_command(storage: Storage, name: str) -> str:
    """What to type to see the log of one of the sweep's runs, but for the run."""
    return f"{program()} logs{storage.option} {name}"


def resume_command(storage: Storage, name: str, address: str | None = None) -> str:
    """Return the command that resumes the sweep from the current folder."""
    join = f" --address {shlex.quote(address)}" if address else ""
    return f"{program()} resume {name}{storage.option}{join}"
