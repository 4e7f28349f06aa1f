"""Scripts of libraries that log to W&B by themselves, as trials. `scripts/test --libraries` runs
them: the libraries are in an environment of their own, and none is a dependency of raysweep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import call
from sweeps import stored

SCRIPTS = Path(__file__).parent / "scripts"
PYTHON = Path(__file__).parents[2] / ".venv" / "libraries" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="scripts/test --libraries makes the environment"
)

LOGGED = {
    "with_lightning": {"model"},
    "with_transformers": set(),
    "with_sklearn": {"run_table"},
    "with_lightgbm": {"model"},
}
"""Script → types of artifacts that the library logs."""

SWEEP = """
program: {program}.py
command: ["${{env}}", "${{interpreter}}", "${{program}}"]
method: grid
metric: {{name: loss}}
parameters:
  lr: {{values: [0.01, 0.1]}}
"""


@pytest.fixture(scope="module", params=LOGGED)
def swept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, Any], Path]]:
    """A sweep of one of the scripts: its name, its result and its storage."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copy(SCRIPTS / f"{request.param}.py", folder)
    (folder / "sweep.yaml").write_text(SWEEP.format(program=request.param))
    done = call(
        *("run", "sweep.yaml", "--name", "tried", "--storage", folder / "storage", "--json"),
        *("--local-mode", "--set", f"program.python={PYTHON}", "--set", "program.timeout=240"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    yield request.param, json.loads(done.stdout), folder / "storage"


def test_a_library_is_a_trial(swept):
    script, result, storage = swept
    assert result["trials"]["completed"] == 2
    tracker = stored(storage, "tried").tracker()
    runs = tracker.runs("tried")
    assert len(runs) == 2
    for run in runs:
        assert run.state == "finished"
        assert "loss" in run.summary
        assert any("loss" in row for row in tracker.history(run.id))
        types = {tracker.artifact(ref).type for ref in run.logged}
        assert LOGGED[script] <= types
