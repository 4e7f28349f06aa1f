"""Pack what a submitted sweep needs: its config, raysweep and the user's modules.

They are in one folder, which Ray sends as the job's working folder. It comes first on the path of
every process of the job, so that shipped code overrides installed code.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import raysweep
from raysweep.addresses import refuse_keys
from raysweep.config import Config, DataConfig
from raysweep.config.yaml import dump_yaml
from raysweep.errors import UserError
from raysweep.trials.workloads import workload_of
from raysweep.version import __version__

CONFIG = "config.yaml"

MAX_BYTES = 500_000_000
"""Ray's limit (512 MiB, packed)."""

USUAL_STORAGE = "~/raysweep/runs"
"""On the head machine, in the home folder of the user who started Ray. A job's working folder is
deleted, and sweeps in separate folders would share neither stages nor lineage."""

USUAL_DATA = "raysweep/data"
"""Below the same home folder: the default folder of data sets. The cluster's RAYSWEEP_DATA and the
config's `data.root` override it."""

SENT = (
    *("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_MODE", "WANDB_PROJECT"),
    *("WANDB_RUN_GROUP", "WANDB_TAGS"),
)
"""The submitter's variables that are passed to the job. WANDB_DIR and RAYSWEEP_DATA are not: they
are paths of this machine."""

_URI = re.compile(r"[a-z][a-z0-9+.-]*://.")


def storage_there(config: Config) -> str:
    """Return the sweep's storage on the cluster. Raises UserError for a path that is invalid there.

    The default, `./runs`, is for this machine; on the cluster it is `USUAL_STORAGE`.
    """
    wanted = config.storage
    if wanted == Config().storage:
        return USUAL_STORAGE
    if _URI.match(wanted) or wanted.startswith(("/", "~/")):
        return wanted
    raise UserError(
        f"--storage {wanted}: is relative, but a job's working folder is deleted; name a folder of "
        f"the cluster's head machine (/…, ~/…) or a URI, or leave it out for {USUAL_STORAGE}"
    )


def check_data(config: Config) -> None:
    """Raise UserError for a data folder that is invalid on the cluster."""
    root = config.data.root if isinstance(config.data, DataConfig) else None
    if root is not None and not root.startswith(("/", "~")):
        raise UserError(
            f"data.root: {root} is relative, but a job's folder is empty; name a folder of the "
            f"cluster's machines (/…, ~/…), or leave it out for ~/{USUAL_DATA}"
        )


def pack(config: Config, storage: str, folder: Path) -> None:
    """Fill the empty `folder`. Raises UserError if it exceeds Ray's limit."""
    there = workload_of(config).pack(config, folder)
    document = there.model_copy(update={"storage": storage}).to_dict()
    (folder / CONFIG).write_text(dump_yaml(document), encoding="utf-8")
    _write_metadata(folder)
    assert raysweep.__file__ is not None
    left_out = _left_out(config)
    for source in (Path(raysweep.__file__).parent, *config.own_modules()):
        target = folder / source.name
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out, ignore_dangling_symlinks=True)
        else:
            shutil.copyfile(source, target)
        _refuse_too_much(folder, source)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Collect the job's variables. All users of the cluster's job server can read them."""
    refuse_keys("WANDB_BASE_URL", environ.get("WANDB_BASE_URL"), "set WANDB_API_KEY")
    sent = {name: environ[name] for name in SENT if environ.get(name)}
    # By default Ray kills a stopped job after 3 s; a sweep may need longer to close its runs.
    return {**sent, "RAY_JOB_STOP_WAIT_TIME_S": "60"}


def _write_metadata(folder: Path) -> None:
    """Write the package metadata that `importlib.metadata` reads: raysweep may not be installed on
    the cluster."""
    info = folder / f"raysweep-{__version__}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: raysweep\nVersion: {__version__}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")


def _left_out(config: Config) -> Callable[[str, list[str]], set[str]]:
    """Make the `ignore` of `copytree`: hidden files and folders, bytecode, environments, and the
    user's data and sweeps, if they are inside a package."""
    data = config.data if isinstance(config.data, DataConfig) else DataConfig()
    known = {
        *(data.resolved_root().absolute(), DataConfig().resolved_root().absolute()),
        *(Path(config.storage).expanduser().absolute(), Path(Config().storage).absolute()),
    }

    def leaves_out(path: Path) -> bool:
        return (
            path.name.startswith(".")
            or path.name == "__pycache__"
            or path.absolute() in known
            or (path / "pyvenv.cfg").exists()
            or any(path.glob("*/sweep.json"))
        )

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if leaves_out(Path(folder, name))}

    return ignored


def _refuse_too_much(folder: Path, source: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > MAX_BYTES:
        raise UserError(
            f"{source}: {size / 1e6:.0f} MB, but Ray takes at most {MAX_BYTES / 1e6:.0f} MB; keep "
            "the module in a folder without its data"
        )
