"""The endpoint, and programs that log to it with the unmodified client, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysweep.tracking.endpoint import Endpoint
from raysweep.tracking.trackio.store import TrackioStore


@dataclass
class Behind:
    """An endpoint over a store in `root`; `rows` and `lines` are what it has heard and said."""

    root: Path
    rows: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(
            self.store,
            heard=lambda run, row: self.rows.append((run, row)),
            say=self.lines.append,
        )

    def store(self, project: str) -> TrackioStore:
        return TrackioStore(self.root / "tracker", project)

    def environ(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        folders = {f"WANDB_{n}_DIR": str(self.root / n) for n in ("CACHE", "CONFIG", "DATA")}
        return {**kept, **folders, **self.endpoint.environ(), **more}

    def run(self, script: str, fails: bool = False, **env: str) -> str:
        """Run a script to its end; what it printed."""
        folder = self.root / "work"
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            env=self.environ(**env),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """One endpoint for a module's tests."""
    made = Behind(tmp_path_factory.mktemp("endpoint"))
    yield made
    made.endpoint.stop()


@pytest.fixture
def printed(behind: Behind) -> Callable[..., list[str]]:
    """Run a script; the lines that it printed."""
    return lambda script, **env: behind.run(script, **env).splitlines()
