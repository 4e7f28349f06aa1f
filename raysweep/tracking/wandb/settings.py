"""Settings of the client: its timeouts and retries, and the user's W&B environment."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INIT_TIMEOUT_S = 15.0
FINISH_TIMEOUT_S = 20.0
UPLOAD_TIMEOUT_S = 30.0
_SLOWEST_BYTES_PER_S = 250_000

QUICK: dict[str, Any] = {
    # Without these collectors a first init takes 0.5 s, a later one 0.02 s.
    "mode": "online",  # `choose` handles offline; `sync` is online whatever WANDB_MODE says
    "console": "off",
    "silent": True,
    "disable_git": True,
    "save_code": False,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_save_requirements": False,
}

_RETRIES = 6  # after 2, 4, 8, 10, 10, 10 s; the default of 20 to 200 would retry for hours
_WAIT_MAX_S = 10
BOUNDED: dict[str, Any] = {
    "init_timeout": INIT_TIMEOUT_S,
    "finish_timeout": FINISH_TIMEOUT_S,
    "finish_timeout_raises": True,
    "x_graphql_retry_max": _RETRIES,
    "x_graphql_retry_wait_max_seconds": _WAIT_MAX_S,
    "x_graphql_timeout_seconds": 15,
    "x_file_stream_retry_max": _RETRIES,
    "x_file_stream_retry_wait_max_seconds": _WAIT_MAX_S,
    "x_file_stream_timeout_seconds": 15,
    "x_file_transfer_retry_max": _RETRIES,
    "x_file_transfer_retry_wait_max_seconds": _WAIT_MAX_S,
}

LIVE, LIVE_S = "x_file_stream_transmit_interval", 2.0
"""How often the client sends a program's rows; by itself it waits 15 s."""


def transfer_timeout_s(size_bytes: int) -> int:
    """Compute the timeout of an artifact's commit or download: half a minute plus its transfer on
    a slow line."""
    return math.ceil(UPLOAD_TIMEOUT_S + size_bytes / _SLOWEST_BYTES_PER_S)


@dataclass(frozen=True)
class UserSettings:
    """A W&B user's settings from the environment, read once, where the sweep is started.

    `group` (WANDB_RUN_GROUP) replaces the sweep's name; `tags` are added to the config's; `folder`
    is where the client puts its `wandb` folder; `scratch` is the default for it: the sweep's folder
    on the driver's machine.
    """

    group: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    scratch: str | None = None

    def place(self) -> str | None:
        """Return the folder for the client's files on this machine; None: the client's default.

        In a sweep's processes the client's default, the working folder, would be deleted by Ray.
        The sweep's folder exists only on the driver's machine; others use their temporary folder.
        """
        if self.folder is None and self.scratch is not None:
            return self.scratch if Path(self.scratch).is_dir() else tempfile.gettempdir()
        return self.folder

    @staticmethod
    def of(environ: Mapping[str, str] = os.environ, scratch: Path | None = None) -> UserSettings:
        """Read the settings from `environ`; `scratch`: the folder if WANDB_DIR is not set."""
        chosen = environ.get("WANDB_DIR")
        return UserSettings(
            group=environ.get("WANDB_RUN_GROUP") or None,
            tags=tuple(tag for tag in environ.get("WANDB_TAGS", "").split(",") if tag),
            folder=str(Path(chosen).expanduser().absolute()) if chosen else None,
            scratch=str(scratch.absolute()) if scratch else None,
        )
