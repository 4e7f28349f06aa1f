"""Which tracker a sweep uses: `tracking.backend` and what is configured on this machine.

Imports nothing of W&B: it reads the same places as the client, which takes 0.5 s to import.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raysweep.errors import TrackerRefused, TrackingError, UserError
from raysweep.tracking.wandb.key import where_the_key_is

Backend = Literal["trackio", "wandb"]

_SERVICE = "WANDB_SERVICE"
"""By it the client's helper process is found by processes started later. A sweep's have their own:
a helper of the driver would keep the run of a killed trial open, and the driver waiting for it."""

_OFFLINE = ("offline", "dryrun")
_OFF_MODES = (*_OFFLINE, "disabled")


@dataclass(frozen=True)
class Choice:
    """The backend taken, and why, in one line for people."""

    backend: Backend
    reason: str


def choose(
    backend: Literal["auto", "trackio", "wandb"], environ: Mapping[str, str] = os.environ
) -> Choice:
    """Pick the tracker; `environ` is where the client would look.

    `auto` takes W&B where a key is configured (environment or netrc) and WANDB_MODE does not say
    otherwise. `wandb` offline is Trackio, too: W&B's artifacts have no versions there, and `sync`
    brings them later. Raises UserError where `wandb` is asked for and cannot be used.
    """
    if backend == "trackio":
        return Choice("trackio", "tracking.backend is trackio")
    mode = environ.get("WANDB_MODE", "online")
    if mode in _OFFLINE:
        return Choice(
            "trackio",
            f"WANDB_MODE is {mode}, so runs are kept in Trackio here; "
            "`python -m raysweep sync` brings them to W&B",
        )
    key = where_the_key_is(environ)
    if backend == "auto":
        if key and mode not in _OFF_MODES:
            return Choice("wandb", f"{key} holds a W&B key")
        why = f"WANDB_MODE is {mode}" if key else "no W&B key is configured"
        return Choice("trackio", f"{why}, so runs are kept in Trackio here")
    if not key:
        raise UserError(
            "tracking.backend: wandb needs a key and none is configured; run `wandb login`, "
            "set WANDB_API_KEY, or use --tracker trackio"
        )
    if mode in _OFF_MODES:
        raise UserError(
            f"tracking.backend: wandb, and WANDB_MODE is {mode}; unset it, set it to offline, "
            "or use --tracker trackio"
        )
    return Choice("wandb", f"tracking.backend is wandb, and {key} holds a key")


def connect(project: str, entity: str | None, instead: str = "") -> str:
    """Where W&B shows the project. Raises TrackerRefused, within 15 s, where W&B cannot be reached
    or refuses the key; where nobody listens at its address, at once.

    `instead` ends the message: what else the caller's command can do.
    """
    from raysweep.tracking.wandb.tracker import WandbTracker

    try:
        there = WandbTracker(project, entity)
        there.knock()
        return there.url
    except TrackingError as error:
        raise TrackerRefused(f"{error}{instead}") from error
    finally:
        os.environ.pop(_SERVICE, None)
