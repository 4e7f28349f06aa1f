"""Settings of a sweep from outside of its config: W&B's environment, and a call's arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.tracking import validate_project

PROMOTE = ("always", "if_better")
"""What `--promote` and `run_sweep(promote=…)` take."""


def with_project(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the config with the project WANDB_PROJECT, unless it names a project itself.

    As in W&B's own client, where an argument beats the environment. Raises ConfigError for a name
    that a tracker refuses.
    """
    project = environ.get("WANDB_PROJECT")
    if not project or "project" in config.tracking.model_fields_set:
        return config
    name = validate_project(project, where="WANDB_PROJECT")
    tracking = config.tracking.model_copy(update={"project": name})
    return config.model_copy(update={"tracking": tracking})


def with_promote(config: Config, promote: str | None) -> Config:
    """The config with that `tracking.promote`, unless it is None. Raises UserError for any other
    word than those of PROMOTE."""
    if promote is None:
        return config
    if promote not in PROMOTE:
        raise UserError(f"promote: expected one of {', '.join(PROMOTE)}, got {promote!r}")
    tracking = config.tracking.model_copy(update={"promote": promote})
    return config.model_copy(update={"tracking": tracking})
