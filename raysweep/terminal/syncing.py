"""Print the progress and the result of `sync`."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from raysweep.sweep.syncing import Synced
from raysweep.terminal import text
from raysweep.terminal.console import copyable, redraws, say
from raysweep.tracking.publish.publish import RunPublished


class SyncProgress:
    """A progress bar of runs in a terminal; otherwise one line per run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("connecting to W&B", total=None)

    def __enter__(self) -> SyncProgress:
        if redraws(self._console):
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if redraws(self._console):
            self._bar.stop()

    def __call__(self, event: RunPublished) -> None:
        if redraws(self._console):
            self._bar.update(
                self._task,
                description=event.run.name,
                total=event.total,
                completed=event.done,
            )
            return
        what = "sent" if event.sent else "there already"
        self._console.print(f"{event.done}/{event.total}  {event.run.name}  {what}")


def show_synced(console: Console, synced: Synced) -> None:
    """Print how much was sent, and the URL."""
    found = synced.published
    sent, there = len(found.sent), len(found.there)
    say(
        console,
        f"{synced.sweep}: {text.plural(sent, 'run')} sent, {there} there already, "
        f"{text.plural(len(found.versions), 'version')} verified",
    )
    for run_id, steps in found.lacking.items():
        shown = ", ".join(map(str, steps[:5])) + (" …" if len(steps) > 5 else "")
        say(
            console,
            f"run {run_id}: W&B has rows of steps {shown} in part, and accepts no more of them",
            style="yellow",
        )
    if found.records_only:
        count = text.plural(len(found.records_only), "version")
        console.print(
            f"of {count} W&B has the record alone: tracking.keep: best had dropped the bytes here",
            style="yellow",
            soft_wrap=True,
        )
    for line in found.stays:
        say(console, f"in W&B, {line}", style="yellow")
    copyable(console, f"see it: {synced.url}")
