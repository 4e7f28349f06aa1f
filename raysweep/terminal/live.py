"""The live table: each trial's state, epoch and metric, the best so far, the remaining time."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raysweep.events import (
    ClusterNotice,
    Evaluating,
    Event,
    StageBegun,
    StageFinished,
    SweepStarted,
    TrialUpdated,
    WarmStarted,
)
from raysweep.terminal import text
from raysweep.terminal.board import Board
from raysweep.terminal.console import say
from raysweep.terminal.table import Column, Row, fitted

STYLES = {"running": "cyan", "completed": "green", "stopped": "yellow", "failed": "red"}
ROOM = 9
"""Lines of the terminal for the headline, the stages and the footer."""


class LiveTable:
    """Redraws the table in place; lines above it scroll and stay readable."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()
        self._evaluating: Evaluating | None = None
        self._late: list[StageFinished] = []
        self._stage: str | None = None
        self._waits = False
        self._live = Live(
            console=console, refresh_per_second=4, get_renderable=self.render, transient=True
        )

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def hide(self) -> None:
        """Take the table away for good; what is printed later takes its place. May come twice."""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        self._board(event)
        if isinstance(event, SweepStarted):
            say(self._console, text.headline(event))
            say(self._console, text.recorder(event))
            if fixed := text.fixed(event.display):
                say(self._console, fixed)
            for warning in text.warnings(event):
                say(self._console, f"WARNING: {warning}", style="bold black on yellow")
        elif isinstance(event, ClusterNotice):
            self._waits = True
            say(self._console, event.text)
        elif isinstance(event, StageBegun):
            self._stage = event.stage
        elif isinstance(event, StageFinished):
            self._stage = None
            if self._board.trials:  # one of many, perhaps: all in one line of the table
                self._late.append(event)
            else:
                say(self._console, text.stage_line(event))
        elif isinstance(event, WarmStarted):
            say(self._console, text.warm_start_line(event))
        elif isinstance(event, Evaluating):
            self._evaluating = event
            for line in text.late_stages(self._late):
                say(self._console, line)

    def render(self) -> RenderableType:
        """Make the table as it stands."""
        start = self._board.start
        if start is None:
            waits = "waiting for the cluster" if self._waits else "starting Ray"
            return Text(f"{waits} …", style="dim")
        if not self._board.trials:
            last = start.display.last_stage
            prepared = last is None or any(stage.stage == last for stage in self._board.stages)
            what = "starting the trials" if prepared else start.display.preparing
            what = f"running {self._stage}" if self._stage else what
            return Text(f"{what} …", style="dim")
        late = [] if self._evaluating else text.late_stages(self._late)
        return Group(
            self._table(start), *(Text(line, style="dim") for line in late), self._footer(start)
        )

    def _table(self, start: SweepStarted) -> Table:
        columns = [
            Column("trial"),
            Column("state"),
            Column(start.display.step, right=True),
            Column(start.metric or "logged", shortened=True),
            Column("best", dropped=2),
            Column("values", dropped=1, shortened=True),
        ]
        best, visible = self._board.best(), self._visible()
        rows = [
            Row(
                self._cells(trial),
                "bold" if best and trial.index == best.index else "",
            )
            for trial in visible
        ]
        if hidden := len(self._board.trials) - len(visible):
            rows.append(Row([f"… {hidden} more", *[""] * 5], "dim"))
        return fitted(columns, rows, self._console.width)

    def _visible(self) -> list[TrialUpdated]:
        """Select running trials, then the latest of the others, as the terminal has room."""
        room = max(3, self._console.height - ROOM)
        trials = sorted(self._board.trials, key=lambda t: (t.state != "running", -t.index))[:room]
        return sorted(trials, key=lambda trial: trial.index)

    def _number(self, metrics: Mapping[str, float] | None) -> str:
        """Format the sweep's metric."""
        start = self._board.start
        assert start is not None, "a sweep starts before its trials"
        if not start.metric:
            return text.reached("", metrics, percent=start.display.percent) or "–"
        value = (metrics or {}).get(start.metric)
        return text.metric(start.metric, value, percent=start.display.percent)

    def _cells(self, trial: TrialUpdated) -> list[str | Text]:
        start = self._board.start
        assert start is not None, "a sweep starts before its trials"
        last = "–" if trial.error else self._number(trial.metrics)
        return [
            trial.name,
            Text(trial.state, style=STYLES[trial.state]),
            text.epoch(trial),
            last,
            self._number(trial.best if start.metric else None),
            # One line per trial, or the table outgrows the terminal; the summary has full errors.
            trial.error or self._values(trial),
        ]

    def _values(self, trial: TrialUpdated) -> str:
        assert self._board.start is not None, "a sweep starts before its trials"
        display = self._board.start.display
        return text.values(trial.overrides, display) + text.restarted(trial, display)

    def _footer(self, start: SweepStarted) -> Text:
        if self._evaluating:
            what = self._evaluating.ref or self._evaluating.trial
            doing = self._evaluating.doing
            return Text(f"{doing} {what}{start.display.scored_on} …", style="dim")
        best, left, seconds = self._board.best(), self._board.left, self._board.remaining_s()
        parts = [f"{self._board.ended} ended"]
        if not start.may_end_early:
            parts.append(f"{left} left")
        if seconds is not None and left and not start.may_end_early:
            parts.append(f"about {text.duration(seconds)} to go")
        if best and best.best:
            value = self._number(best.best)
            parts.append(f"best so far {best.name} {start.metric} {value}")
        return Text("  ·  ".join(parts), style="dim")
