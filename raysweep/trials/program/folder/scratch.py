"""Where copies of a program's files are on their way to W&B."""

from __future__ import annotations

from pathlib import Path

from raysweep.tracking import Tracker


def send_through(tracker: Tracker, folder: Path) -> None:
    """Have this process copy what it sends to W&B into `folder`, which is in the sweep's folder on
    this node, so that a process killed meanwhile leaves nothing elsewhere."""
    sender = getattr(tracker, "sender", None)  # only of a tracker that sends
    if sender is not None:
        sender.copy_into(folder)
