"""A population, trained for real, whose two trials cloned each other: kept here, then synced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb

from commands import call, raysweep
from sweeps import digits, grid
from wandb_server import WandbServer

PROJECT = "population"

TRAINER = '''
"""The built-in trainer, made to be ahead of the other trial, or behind it, by turns."""

import time
from dataclasses import replace
from pathlib import Path

from raysweep.ml.protocols import EpochMetrics
from raysweep.ml.training import Trainer

HERE = Path(__file__).parent
BEHIND = {1: "b", 2: "a"}  # epoch -> who is worse then, and comes later
first = []


class TakingTurns(Trainer):
    def __init__(
        self, *, model, training, validation, seed, device, learning_rate: float = 0.01, epochs: int
    ) -> None:
        given = (model, training, validation)
        settings = {"learning_rate": learning_rate, "epochs": epochs}
        super().__init__(*given, seed=seed, device=device, **settings)
        first.append("a" if learning_rate == 0.01 else "b")  # a clone has other values

    def epoch(self):
        me, number = first[0], self.epochs_done + 1
        (HERE / f"{me}-{number}").touch()
        for event in super().epoch():
            if isinstance(event, EpochMetrics):
                behind = BEHIND.get(number) == me
                other = HERE / f"{'a' if me == 'b' else 'b'}-{number + 1}"
                while behind and not other.exists():
                    time.sleep(0.05)
                accuracy = 10.0 if behind else 90.0
                event = replace(event, values={**event.values, "validation/accuracy": accuracy})
            yield event
'''


def test_a_population_with_mutual_clones_is_synced(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    sweep = grid(learning_rate=[0.01, 0.003])
    metric = {"name": "validation/accuracy", "goal": "maximize"}
    sections = digits(
        {**sweep, "metric": metric, "pbt": {"interval": 1}},
        resources={"cpus": 1, "max_concurrent": 2},
        tracking={"project": PROJECT},
    )
    config = write({**sections, "train": {"target": "turns:TakingTurns", "epochs": 3}})
    (config.parent / "turns.py").write_text(TRAINER)
    storage = tmp_path / "runs"
    offline: dict[str, Any] = {"WANDB_MODE": "offline"}
    result = raysweep(
        *("run", config, "--name", "mine", "--storage", storage, "--json"), cwd=tmp_path, **offline
    )
    assert result["trials"]["completed"] == 2
    shown = call("lineage", result["best"]["artifact"], "--storage", storage, cwd=tmp_path)
    jobs = [line.split("[")[1].split()[0].split("-")[0] for line in shown.stdout.splitlines()]
    assert jobs[-3:] == ["train", "train", "report]"] or jobs[-1].startswith("report")
    assert jobs.count("train") == 2

    first = raysweep("sync", "--storage", storage, "--json", cwd=tmp_path)
    assert all(mine == theirs for mine, theirs in first["artifacts"].items()), "the same numbers"
    runs = {run.name: run for run in api.runs(f"tester/{PROJECT}", lazy=False)}
    assert {run.state for run in runs.values()} == {"finished"}
    trials = [runs[f"trial-{number:04d}-mine"] for number in range(2)]
    for mine, other in (trials, reversed(trials)):
        (clone,) = mine.summary["clones"]
        used = {artifact.name: artifact for artifact in mine.used_artifacts()}
        assert used[clone["checkpoint"]].logged_by().id == other.id
    again = raysweep("sync", "--storage", storage, "--json", cwd=tmp_path)
    assert again["runs"]["sent"] == again["aliases"] == []
