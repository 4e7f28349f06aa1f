"""Take the project from the environment, as W&B's client does."""

from __future__ import annotations

import os
from collections.abc import Mapping

from raysweep.config import Config
from raysweep.tracking import validate_project


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
