"""What the client is told besides the run: bounds for its waits, and the user's W&B habits."""

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
    # A first init takes 0.5 s, a later one 0.02 s, without these collectors (FACTS).
    "mode": "online",  # offline is `choose`'s to know; `sync` is online whatever WANDB_MODE says
    "console": "off",
    "silent": True,
    "disable_git": True,
    "save_code": False,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_save_requirements": False,
}

_RETRIES = 6  # after 2, 4, 8, 10, 10, 10 s; by default 20 to 200, which outlive a server by hours
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


def transfer_timeout_s(size_bytes: int) -> int:
    """How long an artifact may take to be committed, or downloaded: half a minute, and its way on a
    slow line."""
    return math.ceil(UPLOAD_TIMEOUT_S + size_bytes / _SLOWEST_BYTES_PER_S)


@dataclass(frozen=True)
class Habits:
    """What a W&B user sets in the environment, read once, where the sweep is started.

    `group` takes the place of the sweep's name, as WANDB_RUN_GROUP does wherever code names none;
    `tags` come on top of the config's; `folder` is where the client keeps its `wandb` folder, and
    `scratch` where it does so unless the user says: the sweep's folder, which is the driver's.
    """

    group: str | None = None
    tags: tuple[str, ...] = ()
    folder: str | None = None
    scratch: str | None = None

    def place(self) -> str | None:
        """Where the client writes on this machine; None: where it likes.

        In a sweep's processes its own default, the working folder, is one that Ray clears away. The
        sweep's folder is on the driver's machine: another one's is its temporary folder.
        """
        if self.folder is None and self.scratch is not None:
            return self.scratch if Path(self.scratch).is_dir() else tempfile.gettempdir()
        return self.folder

    @staticmethod
    def of(environ: Mapping[str, str] = os.environ, scratch: Path | None = None) -> Habits:
        """The habits in `environ`; `scratch`: where the client writes if WANDB_DIR does not say."""
        chosen = environ.get("WANDB_DIR")
        return Habits(
            group=environ.get("WANDB_RUN_GROUP") or None,
            tags=tuple(tag for tag in environ.get("WANDB_TAGS", "").split(",") if tag),
            folder=str(Path(chosen).expanduser().absolute()) if chosen else None,
            scratch=str(scratch.absolute()) if scratch else None,
        )
