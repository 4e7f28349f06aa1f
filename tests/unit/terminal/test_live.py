"""The live table, drawn on a terminal of a known size."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from raysweep.events import Event, StageBegun, StageFinished, WarmStarted
from raysweep.terminal.console import open_console
from raysweep.terminal.live import LiveTable

from terminal_sweep import NAN, SWEEP, started, trial


class Terminal(io.StringIO):
    """Collects what a terminal would get."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def drawn(events: list[Event], width: int = 100, height: int = 40) -> list[str]:
    """Return the lines of the table after these events."""
    console = open_console(io.StringIO())
    console.size = (width, height)  # type: ignore[assignment]
    table = LiveTable(console)
    for event in events:
        table(event)
    with console.capture() as capture:
        console.print(table.render())
    return [line.rstrip() for line in capture.get().splitlines()]


def test_before_the_trials_it_shows_what_takes_the_time() -> None:
    assert drawn([]) == ["starting Ray …"]
    assert drawn(SWEEP[:2]) == ["preparing the data and the model …"]
    begun = StageBegun("fetch")
    assert drawn([*SWEEP[:2], begun]) == ["running fetch …"]
    assert drawn([*SWEEP[:2], begun, StageFinished("fetch", "", False)])[-1] == (
        "preparing the data and the model …"
    )


def test_the_whole_table() -> None:
    assert drawn(SWEEP[:-1]) == [
        "trial       state      epoch  validation/accuracy  best     values",
        "trial-0000  completed    2/2  75.00 %              80.00 %  learning_rate=0.001 epochs=2",
        "trial-0001  failed       1/2  –                    NaN      OSError: [/x] is a [red]x",
        "trial-0002  stopped      1/2  90.50 %              90.50 %  learning_rate=0.003 epochs=2",
        "3 ended  ·  0 left  ·  best so far trial-0002 validation/accuracy 90.50 %",
    ]


def test_the_evaluation_of_the_winner_is_shown() -> None:
    assert drawn(SWEEP)[-1] == "evaluating trained-model:v1 on the test split …"


def test_what_is_made_for_trials_takes_one_line_and_stays_readable(terminal: Terminal) -> None:
    made: list[Event] = [StageFinished("initialize", f"convnet:v{i}", False) for i in range(1, 9)]
    assert drawn([*SWEEP[:-1], *made])[-2] == "initialize  convnet: 8 made"
    console = open_console(terminal)
    console.size = (60, 30)  # type: ignore[assignment]
    with LiveTable(console) as live:
        for event in [*SWEEP[:-1], *made, SWEEP[-1]]:
            live(event)
    assert terminal.getvalue().count("initialize  convnet: 8 made\n") == 1


def many(count: int) -> list[Event]:
    """`count` trials: most have ended, trial 5 failed, trial 7 diverged, the last two run."""
    trials: list[Event] = [trial(i, "completed", 2, float(i)) for i in range(count - 2)]
    trials[5] = trial(5, "failed", 1, error="RuntimeError: " + "a long story " * 20)
    trials[7] = trial(7, "completed", 2, NAN)
    trials += [trial(count - 2, epoch=1, accuracy=1.0), trial(count - 1)]
    return [started(trials=count + 10), *trials]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("height", [16, 24, 60])
def test_fifty_trials_fit_any_terminal(width: int, height: int) -> None:
    lines = drawn(many(50), width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    end = next(i for i, line in enumerate(lines) if line.startswith("48 ended"))
    shown = [line[:10] for line in lines[:end] if line.startswith("trial-")]
    assert shown[-2:] == ["trial-0048", "trial-0049"]
    if len(shown) < 50:
        assert lines[end - 1] == f"… {50 - len(shown)} more"
    footer = " ".join(lines[end:])
    assert "12 left" in footer
    assert "47.00 %" in footer  # the best, though its row may be out of sight


def test_a_long_error_takes_one_line_and_shows_that_it_was_cut() -> None:
    failed = [line for line in drawn(many(10), width=80) if line.startswith("trial-0005")]
    assert len(failed) == 1
    assert failed[0].endswith("…")


def test_running_trials_are_shown_before_others() -> None:
    running: list[Event] = [trial(i) for i in range(3)]
    ended: list[Event] = [trial(i, "completed", 2, 1.0) for i in range(3, 40)]
    lines = drawn([started(trials=40), *running, *ended], height=20)
    shown = [line[:10] for line in lines if line.startswith("trial-")]
    assert shown[:3] == ["trial-0000", "trial-0001", "trial-0002"]
    assert shown[3:] == sorted(shown[3:])
    assert shown[-1] == "trial-0039"


def test_what_scrolls_away_stays_readable(terminal: Terminal) -> None:
    console = open_console(terminal)
    console.size = (60, 30)  # type: ignore[assignment]
    with LiveTable(console) as live:
        for event in SWEEP:
            live(event)
    sent = terminal.getvalue()
    assert "tracker: trackio (no W&B key is configured)" in sent
    assert "WARNING: MNIST is not in data: the embedded digits stand in." in sent
    assert "preprocess  digits-preprocess:v0     reused" in sent
    assert sent.count("load        digits-raw:v0") == 1


def test_trials_left_are_not_shown_if_a_budget_may_end_the_sweep() -> None:
    footer = drawn([started(trials=40, may_end_early=True), *SWEEP[1:-1]])[-1]
    assert footer == "3 ended  ·  best so far trial-0002 validation/accuracy 90.50 %"


def test_a_warm_start_stays_readable(terminal: Terminal) -> None:
    with LiveTable(open_console(terminal)) as live:
        live(started())
        live(WarmStarted(("earlier",), 4, {"other data": 1}))
    said = "warm start  4 trials of earlier taken; 1 skipped: other data (1)"
    assert said in terminal.getvalue()


def test_a_warning_is_printed_verbatim(terminal: Terminal) -> None:
    console = open_console(terminal)
    console.size = (200, 30)  # type: ignore[assignment]
    with LiveTable(console) as live:
        live(started(warning="nothing in [/data] :smile: [bold]"))
    assert "nothing in [/data] :smile: [bold]" in terminal.getvalue()


def test_a_terminal_keeps_its_width_and_a_pipe_has_none(terminal: Terminal) -> None:
    assert isinstance(open_console(terminal), Console)
    assert open_console(terminal).is_terminal
    assert open_console(terminal).width < 1000
    pipe = io.StringIO()
    open_console(pipe).print("x" * 3000)
    assert pipe.getvalue() == "x" * 3000 + "\n"
