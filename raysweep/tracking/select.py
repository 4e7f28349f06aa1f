"""Choose a sweep's tracker, from `tracking.backend` and this machine's configuration.

It does not import W&B's client, which takes 0.5 s, but reads the same places.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raysweep.errors import TrackerRefused, TrackingError, UserError
from raysweep.invocation import program
from raysweep.tracking.wandb.key import where_the_key_is

Backend = Literal["trackio", "wandb"]

_SERVICE = "WANDB_SERVICE"
"""The variable by which child processes find the client's helper process. A sweep's processes start
their own: the driver's helper would keep the run of a killed trial open, and the driver waiting."""

_OFFLINE = ("offline", "dryrun")
_OFF_MODES = (*_OFFLINE, "disabled")


@dataclass(frozen=True)
class Choice:
    """The chosen backend, and the reason in one line for people."""

    backend: Backend
    reason: str


def choose(
    backend: Literal["auto", "trackio", "wandb"], environ: Mapping[str, str] = os.environ
) -> Choice:
    """Choose the tracker; `environ` is where the client would look.

    `auto` takes W&B if a key is configured (environment or netrc) and WANDB_MODE does not prevent
    it. `wandb` offline also takes Trackio: offline artifacts have no versions in W&B, and `sync`
    publishes them later. Raises UserError if `wandb` is requested but cannot be used.
    """
    if backend == "trackio":
        return Choice("trackio", "tracking.backend is trackio")
    mode = environ.get("WANDB_MODE", "online")
    if mode in _OFFLINE:
        return Choice(
            "trackio",
            f"WANDB_MODE is {mode}, so runs are kept in Trackio here; "
            f"`{program()} sync` publishes them to W&B",
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
    """Connect to W&B and return the project's URL.

    Raises TrackerRefused within 15 s if W&B is unreachable or refuses the key, and at once if no
    server listens at its address. `instead` ends the message with an alternative for the user.
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
