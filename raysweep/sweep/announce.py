"""What is said and written when a sweep starts, and when the user stops it."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raysweep.cluster.cluster import Resources
from raysweep.config import Config
from raysweep.errors import Interrupted, StorageFailed, StoreFailed, SweepFailed, UserError
from raysweep.events import Resumed, SweepStarted
from raysweep.invocation import program
from raysweep.paths import is_of_the_disk
from raysweep.search import space
from raysweep.search.failures import Hopeless
from raysweep.storage.power import boot
from raysweep.storage.stop import StorageLost
from raysweep.storage.storage import Storage
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.sweep.job import Job
from raysweep.tracking import Choice
from raysweep.trials.workloads import workload_of
from raysweep.version import __version__


def announcement(
    job: Job,
    config: Config,
    choice: Choice,
    url: str | None,
    resources: Resources,
    warning: str | None = None,
    resumed: Resumed | None = None,
    notices: Sequence[str] = (),
) -> SweepStarted:
    """The first event of a sweep. `notices`: of this machine, or cluster, besides the config's."""
    return SweepStarted(
        sweep=job.identity.name,
        folder=job.folder.path,
        tracker=choice.backend,
        reason=choice.reason,
        trials=space.trial_count(config),
        epochs=workload_of(config).most_epochs(config),
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
        percent=workload_of(config).percent,
    )


def first_event(
    config: Config, resources: Resources, warm_start: Sequence[str], precision: str | None
) -> Mapping[str, Any]:
    """What the journal begins with: all that whoever resumes the sweep must know of its start."""
    return {
        "config": config.to_dict(),
        "modules": [str(path.parent) for path in config.own_modules()],
        "cpus": resources.cpus,
        "gpus": resources.gpus,
        "warm_start": list(warm_start),
        "precision": precision,
        "boot": boot(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of what may change a weight."""
    own = {"raysweep": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in ("torch", "ray", "optuna")}


@contextmanager
def interruptible(storage: Storage, name: str, address: str | None) -> Iterator[None]:
    """Raise Interrupted in a KeyboardInterrupt's place, StorageFailed where the storage is lost,
    and SweepFailed where the sweep is given up, each with the line that resumes the sweep."""
    try:
        yield
    except Hopeless as error:
        again = resume_command(storage, name, address)
        raise SweepFailed(
            f"{error}; mend it, and go on: {again} --retry-failed (without that, the failed ones "
            "stay as they are)"
        ) from None
    except (StorageLost, StoreFailed) as error:
        raise _stopped(storage, name, address, str(error)) from None
    except OSError as error:
        if not _is_of(storage, error):
            raise
        place = error.filename or storage.root
        why = f"{place}: cannot be written ({error.strerror})"
        raise _stopped(storage, name, address, why) from error
    except KeyboardInterrupt:
        if not (storage.root / name / "journal.jsonl").exists():
            raise Interrupted("interrupted before the sweep had started; nothing is kept") from None
        if SweepFolder(storage.root / name).result() is not None:
            raise Interrupted(
                f"interrupted, and {name} has ended: see it with `{program()} best {name}`"
            ) from None
        raise Interrupted(
            f"interrupted: {name} has no best yet; progress is saved, resume it with: "
            f"{resume_command(storage, name, address)}"
        ) from None


def _is_of(storage: Storage, error: OSError) -> bool:
    """Whether it is the storage's fault: that of a disk, or of a file in its folder."""
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
    """A sweep whose input turns out to be wrong when trials have run, as an evaluation of one's
    own, is kept: say how it goes on."""
    try:
        yield
    except UserError as error:
        if not (storage.root / name / "journal.jsonl").exists():
            raise
        raise UserError(
            f"{error}; the trials are kept: mend it, and go on: "
            f"{resume_command(storage, name, address)}"
        ) from error


def resume_command(storage: Storage, name: str, address: str | None = None) -> str:
    """What to type to go on with the sweep, from this folder."""
    usual = storage.shown == str(Path(Config().storage).resolve())
    where = "" if usual else f" --storage {shlex.quote(storage.shown)}"
    join = f" --address {shlex.quote(address)}" if address else ""
    return f"{program()} resume {name}{where}{join}"
