"""Sweeps of other processes, which a test may kill."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from running_sweep import Sweep

from commands import start
from sweeps import digits, grid


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Callable[..., Sweep]]:
    """Starts one; whatever is left of it when the test ends is killed."""
    started: list[Sweep] = []

    def begin(name: str, epochs: int, rates: tuple[float, ...] = (0.01, 0.003)) -> Sweep:
        config = tmp_path / f"{name}.yaml"
        config.write_text(
            yaml.safe_dump(digits(grid(learning_rate=list(rates)), train={"epochs": epochs}))
        )
        storage, marker = tmp_path / "runs", uuid.uuid4().hex
        arguments = ("run", config, "--name", name, "--storage", storage)
        process = start(*arguments, new_session=True, MARKER=marker)
        started.append(Sweep(name, storage, process, marker))
        return started[-1]

    yield begin
    for one in started:
        with one.process as process:
            process.kill()
        assert one.leaves_no_process()
