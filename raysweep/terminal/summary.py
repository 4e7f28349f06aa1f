"""Print the result of a sweep, the list of sweeps, and the winner."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from raysweep.events import Display
from raysweep.invocation import program
from raysweep.search.budget import EndedBy
from raysweep.sweep.result import StoredResult
from raysweep.terminal import text
from raysweep.terminal.console import copyable, say
from raysweep.terminal.show import LOGGED_LAST
from raysweep.terminal.table import Column, Row, fitted

SHOWN = 10
"""Rows of the leaderboard."""

_ENDED_BY: dict[EndedBy, str] = {
    "completed": "",
    "target": "; ended by metric.target, which was reached",
    "max_time": "; ended by max_time",
    "max_trials": "; ended by max_trials",
    "max_epochs_total": "; ended by max_epochs_total",
}


def show_result(console: Console, result: StoredResult, storage: Path | str | None) -> None:
    """Print the leaderboard, the test score, the model's path, and the next command.

    `storage` is the command's `--storage`; None if it is the default.
    """
    table = _leaderboard if result.repeats == 1 else _of_configurations
    console.print(table(result, console.width), soft_wrap=True)
    counts = result.trials
    say(
        console,
        f"{text.plural(counts.total, 'trial')}: {counts.completed} completed, "
        f"{counts.stopped} stopped early, {counts.failed} failed; "
        f"{text.duration(result.wall_s)} in all{_ENDED_BY[result.ended_by or 'completed']}",
    )
    for row in result.rows:
        if row.error:
            say(console, f"  {row.name} failed: {row.error}", style="red")
    where = f" --storage {shlex.quote(str(storage))}" if storage else ""
    if failures := result.failures:
        command = f"{program()} logs{where} {result.sweep} {failures[0].trial}"
        copyable(console, f"  logs: {result.folder}/logs; see one: {command}")
    _show_winner(console, result)
    if result.model_path is not None:
        copyable(console, f"model: {result.model_path}")
    if isinstance(result.model_path, str):  # a URI, which cannot be opened as a file
        copyable(console, f"copy it: {program()} best {result.sweep} --download ./my-model{where}")
    for what, url in result.links.items():
        copyable(console, f"{what} in W&B: {url}")
    if result.unsent:
        names = ", ".join(result.unsent)
        say(console, f"kept here, and not yet in W&B: {names}", style="yellow")
        copyable(console, f"send it: {program()} sync {result.sweep}{where}")
    copyable(console, f"\nsee it: {program()} report {result.sweep}{where}")


def _show_winner(console: Console, result: StoredResult) -> None:
    best = result.best
    if best is None:
        say(console, f"\n{result.promotion}")
        return
    mean = text.spread(result.metric, best.mean, best.std, percent=result.display.percent)
    repeats = f"{result.metric} {mean} over {best.repeats} repeats\n" if result.repeats > 1 else ""
    scores = f"{_test_scores(result.test, percent=result.display.percent)}\n" if result.test else ""
    values = text.values(best.config, result.display)
    say(
        console,
        f"\nbest: {_winner(best.artifact, best.trial)} ({values})\n"
        f"{repeats}{scores}{result.promotion}",
    )


def _leaderboard(result: StoredResult, width: int) -> Table:
    reported = (name for row in result.rows for name in row.best or {})
    metrics = text.shown_metrics(result.metric, result.display.columns, reported)
    names = [name.replace("validation/", "val. ").replace("/", " ") for name in metrics]
    title = f"leaderboard by {result.metric} ({result.goal})" if result.metric else LOGGED_LAST
    columns = [
        Column("", dropped=2),
        Column("trial"),
        Column("state"),
        Column(f"{result.display.step}s", dropped=3),
        *(Column(name) for name in names[:1]),
        *(Column(name, dropped=1) for name in names[1:]),
        Column("values", shortened=True),
    ]
    rows = [
        Row(
            [
                str(place),
                row.name,
                row.state,
                text.epoch(row),
                *(
                    text.metric(name, (row.best or {}).get(name), percent=result.display.percent)
                    for name in metrics
                ),
                text.values(row.overrides, result.display),
            ],
            "bold" if result.best and row.name == result.best.trial else "",
        )
        for place, row in enumerate(result.ranked()[:SHOWN], start=1)
    ]
    if more := len(result.rows) - SHOWN:
        rows += _and_more(more, len(columns))
    return fitted(columns, rows, width, title)


def _of_configurations(result: StoredResult, width: int) -> Table:
    """Make the leaderboard with repeats: per configuration, mean ± standard deviation, and its best
    trial."""
    configurations = result.configurations()
    title = f"leaderboard by the mean {result.metric} ({result.goal})"
    name = result.metric.replace("validation/", "val. ").replace("/", " ")
    columns = [
        Column("", dropped=2),
        Column("best trial"),
        Column("finished", dropped=3),
        Column(f"mean {name}"),
        Column(f"best {name}", dropped=1),
        Column("values", shortened=True),
    ]
    rows = [
        Row(
            [
                str(place),
                trials[0].name,
                f"{len(each.scores)} of {each.repeats}",
                text.spread(result.metric, each.mean, each.std, percent=result.display.percent),
                text.metric(
                    result.metric,
                    (trials[0].best or {}).get(result.metric),
                    percent=result.display.percent,
                ),
                text.values(trials[0].overrides, result.display),
            ],
            "bold" if result.best and trials[0].name == result.best.trial else "",
        )
        for place, (each, trials) in enumerate(configurations[:SHOWN], start=1)
    ]
    if more := len(configurations) - SHOWN:
        rows += _and_more(more, len(columns))
    return fitted(columns, rows, width, title)


def _and_more(count: int, columns: int) -> list[Row]:
    """Make the row that says how many rows are hidden, if any."""
    return [Row(["", f"… {count} more", *[""] * (columns - 2)], "dim")] if count > 0 else []


def show_best(
    console: Console, sweep: str, result: Mapping[str, Any], path: Path | None, display: Display
) -> None:
    """Print the winner of a stored sweep."""
    best, test = result["best"], result["test"]
    values = text.values(best["config"], display)
    winner = _winner(best["artifact"], best["trial"])
    say(console, f"{sweep}: {winner} ({values})")
    for name, value in best["metrics"].items():
        if name not in display.hidden:
            say(console, f"  {name:<20} {text.metric(name, value, percent=display.percent)}")
    if best.get("repeats", 1) > 1:  # results of an earlier raysweep do not have the key
        mean, std = text.number(best["mean"]), text.number(best["std"])
        say(console, f"  mean ± std           {mean} ± {std} over {best['repeats']} repeats")
    for name, value in test.items():
        score = text.metric(name, value, percent=display.percent)
        say(console, f"  {f'test/{name}':<20} {score}")
    if path is not None:
        copyable(console, f"  downloaded to {path}")


def show_sweeps(
    console: Console, sweeps: Sequence[Mapping[str, Any]], displays: Mapping[str, Display]
) -> None:
    """Print one row per sweep, oldest first. `displays`: how each is shown, by its name."""
    columns = [
        Column("sweep"),  # names are for copying: never cut
        Column("started (UTC)", dropped=2),
        Column("tracker", dropped=1),
        Column("state"),
        Column("trials", dropped=3),
        Column("best", dropped=4),
        Column("test", dropped=5),
    ]
    sized = any("bytes" in sweep for sweep in sweeps)
    if sized:
        columns[1:1] = [Column("alone", right=True), Column("shared", right=True)]
    rows = []
    for sweep in sweeps:
        sizes = _sizes(sweep) if sized else []
        result = sweep["result"]
        started = sweep["created"][:16].replace("T", " ")
        if result is None:
            state = sweep["state"] or "–"
            cells = [started, sweep["tracker"], state, "–", "none", "–"]
            rows.append(Row([sweep["sweep"], *sizes, *cells]))
            continue
        score = _first_score(result["test"] or {}, percent=displays[sweep["sweep"]].percent)
        trials, best = (
            str(result["trials"]["total"]),
            result["best"]["artifact"] or result["best"]["trial"] if result["best"] else "none",
        )
        cells = [started, sweep["tracker"], sweep["state"] or "ended", trials, best, score]
        rows.append(Row([sweep["sweep"], *sizes, *cells]))
    console.print(fitted(columns, rows, console.width), soft_wrap=True)


def _sizes(sweep: Mapping[str, Any]) -> list[str]:
    """The cells of `list --sizes`."""
    its = sweep.get("bytes")
    return ["–", "–"] if its is None else [text.size(its[each]) for each in ("alone", "shared")]


def _winner(artifact: str | None, trial: str) -> str:
    """Format `trained-model:v5 of trial-0003`, or only the trial if it logged no model."""
    return trial if artifact is None else f"{artifact} of {trial}"


def _test_scores(scores: Mapping[str, float], *, percent: bool) -> str:
    """Format scores: `test accuracy 99.17 %, test loss 0.1413`; the loss is last."""
    ordered = sorted(scores, key=lambda name: name == "loss")
    shown = {name: text.metric(name, scores[name], percent=percent) for name in ordered}
    return ", ".join(f"test {name} {score}" for name, score in shown.items())


def _first_score(scores: Mapping[str, float | None], *, percent: bool) -> str:
    """Format one score for a column: `accuracy 99.17 %`."""
    name = min(scores, key=lambda each: each == "loss", default=None)
    return "–" if name is None else f"{name} {text.metric(name, scores[name], percent=percent)}"
