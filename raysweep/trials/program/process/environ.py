"""The environment of a trial's program: this worker's, and what W&B's agent gives its child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysweep.config.yaml import dump_yaml

_NOT_PASSED = ("RAYSWEEP_", "RAY_", "WANDB_", "TUNE_")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_KEPT = (
    *("WANDB_NOTEBOOK_NAME", "WANDB_SILENT", "WANDB_CONSOLE", "WANDB_QUIET", "WANDB_WATCH"),
    *("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"),  # home may be small
)
"""Settings of the client that a user may have and that change nothing of where a run goes."""

_DATA = "RAYSWEEP_DATA"
"""Where the user's data sets are: a program may ask, too."""


def program_environ(
    endpoint: Mapping[str, str],
    sweep: str,
    run: str,
    project: str,
    values: Mapping[str, Any],
    folder: Path,
    threads: int,
    base: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Return the variables of a trial. Writes the file of its values, as W&B's agent does, into
    `folder`."""
    passed = {
        name: value
        for name, value in base.items()
        if name in (*_KEPT, _DATA) or not name.startswith(_NOT_PASSED)
    }
    params = folder / "wandb" / f"sweep-{sweep}" / f"config-{run}.yaml"
    params.parent.mkdir(parents=True, exist_ok=True)
    written = {name: {"value": value} for name, value in values.items()}
    params.write_text(dump_yaml({"wandb_version": 1, **written}))
    return {
        **passed,
        **{name: str(threads) for name in _THREADS},
        **endpoint,
        "WANDB_SWEEP_ID": sweep,
        "WANDB_RUN_ID": run,
        "WANDB_SWEEP_PARAM_PATH": str(params),
        "WANDB_PROJECT": project,
        "WANDB_DIR": str(folder),
        "PWD": str(folder),
    }


def keep_address(folder: Path, environ: Mapping[str, str]) -> None:
    """Write W&B's settings file into `folder`: some scripts remove all WANDB_ variables but the key
    and the project from the environment of the processes that they start, each with a run of its
    own (cross-validation is written so). The client then finds the server in this file."""
    settings = folder / "wandb" / "settings"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"[default]\nbase_url = {environ['WANDB_BASE_URL']}\n")
