"""Print one line per event, for a log file or a pipe."""

from __future__ import annotations

from typing import TextIO

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
from raysweep.terminal.wrap import for_stream


class PlainLines:
    """Writes a line for each notable event, without colours or cursor movement."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._board = Board()
        self._restarts: dict[int, int] = {}
        self._last: dict[int, str | None] = {}

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def hide(self) -> None:
        """Nothing is drawn that could be in the way; see LiveTable."""

    def __call__(self, event: Event) -> None:
        self._board(event)
        line = self._line(event)
        if isinstance(event, TrialUpdated):
            if line == self._last.get(event.index):
                return  # a program's summary is often its last row
            self._last[event.index] = line
        if line:
            self._stream.write(for_stream(line, self._stream) + "\n")
            self._stream.flush()

    def _line(self, event: Event) -> str | None:
        if isinstance(event, SweepStarted):
            warnings = "".join(f"\nWARNING: {each}" for each in text.warnings(event))
            fixed = f"\n{text.fixed(event.display)}".rstrip()
            return f"{text.headline(event)}; {text.recorder(event)}{fixed}{warnings}"
        if isinstance(event, ClusterNotice):
            return event.text
        if isinstance(event, StageBegun):
            return None
        if isinstance(event, StageFinished):
            return text.stage_line(event)
        if isinstance(event, WarmStarted):
            return text.warm_start_line(event)
        if isinstance(event, Evaluating):
            what = event.trial if event.ref is None else f"{event.ref} of {event.trial}"
            start = self._board.start
            return f"{event.doing:<11} {what}{start.display.scored_on if start else ''}"
        return self._trial_line(event)

    def _trial_line(self, trial: TrialUpdated) -> str:
        assert self._board.start is not None, "a sweep starts before its trials"
        metric, display = self._board.start.metric, self._board.start.display
        head = f"{trial.name}  {trial.state:<9} {display.step} {text.epoch(trial)}"
        if trial.state == "failed":
            return f"{head}  {trial.error}"
        if trial.state == "running" and trial.restarts > self._restarts.get(trial.index, 0):
            self._restarts[trial.index] = trial.restarts
            return f"{head}{text.restarted(trial, display)}"
        if trial.state == "running" and trial.epoch == 0:
            return f"{head}  {text.values(trial.overrides, display)}"
        shown = trial.metrics if trial.state == "running" else (trial.best or {})
        line = f"{head}  {text.reached(metric, shown, percent=display.percent)}".rstrip()
        return line + (text.cloned(trial) if trial.state == "running" else self._outlook())

    def _outlook(self) -> str:
        left, seconds = self._board.left, self._board.remaining_s()
        if not left or (self._board.start and self._board.start.may_end_early):
            return ""
        time = f", about {text.duration(seconds)}" if seconds is not None else ""
        return f"  ({text.plural(left, 'trial')} left{time})"
