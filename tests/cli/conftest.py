"""Sweeps in other processes, which a test may kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from commands import start
from running_sweep import Sweep
from sweeps import digits, grid


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Callable[..., Sweep]]:
    """Start one. Its remaining processes are killed when the test ends."""
    started: list[Sweep] = []

    def begin(
        name: str,
        epochs: int,
        rates: tuple[float, ...] = (0.01, 0.003),
        options: tuple[str, ...] = (),
        prepare: Callable[[], object] | None = None,
    ) -> Sweep:
        config = tmp_path / f"{name}.yaml"
        config.write_text(
            yaml.safe_dump(digits(grid(learning_rate=list(rates)), train={"epochs": epochs}))
        )
        storage = tmp_path / "runs"
        arguments = ("run", config, "--name", name, "--storage", storage, *options)
        process = start(*arguments, cwd=tmp_path, new_session=True, prepare=prepare)
        started.append(Sweep(name, storage, process))
        return started[-1]

    yield begin
    for one in started:
        one.clear_away()
