"""A version is fetched once on this node, atomically."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raysweep.errors import ArtifactNotFound
from raysweep.trials.inputs import fetch

from workshop import Workshop


def test_many_processes_ask_and_one_downloads(workshop: Workshop) -> None:
    def get(_: int) -> tuple[str, int]:
        folder = fetch(workshop.tracker, workshop.data.ref, workshop.inputs)
        return str(folder), (folder / "training.pt").stat().st_ino

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(get, range(16)))) == 1


def test_a_partial_download_of_a_dead_process_is_not_used(workshop: Workshop) -> None:
    partial = workshop.inputs / "convnet-v0.partial"
    partial.mkdir(parents=True)
    (partial / "initialized_model.pth").write_bytes(b"half")
    folder = fetch(workshop.tracker, workshop.model.ref, workshop.inputs)
    assert not partial.exists()
    size = next(file.size_bytes for file in workshop.model.files if file.path.endswith(".pth"))
    assert (folder / "initialized_model.pth").stat().st_size == size


def test_a_failed_download_leaves_no_folder(workshop: Workshop) -> None:
    with pytest.raises(ArtifactNotFound):
        fetch(workshop.tracker, "convnet:v7", workshop.inputs)
    assert not (workshop.inputs / "convnet-v7").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from raysweep.trials.inputs import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "model.pth").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_with_a_model_on_its_way_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    (temporary := tmp_path / "tmp").mkdir()
    inputs = tmp_path / "sweep" / "inputs"
    command = [sys.executable, "-c", KILLED, str(inputs)]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(temporary)}, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []
    assert [path.name for path in inputs.glob("*/*")] == ["model.pth"], "it goes with the inputs"
