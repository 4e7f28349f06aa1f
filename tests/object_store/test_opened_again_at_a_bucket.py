"""A sweep at `s3://…` that has ended, opened again on another machine for what failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fragile_sweep import written

from commands import call, raysweep
from s3_server import S3Server
from sweeps import HAS_LOCAL_MODE

URI = "s3://bucket/again"

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="local mode makes these quick")


def test_its_best_is_chosen_anew(
    machine: Callable[[str], dict[str, str]], tmp_path: Path, s3: S3Server
) -> None:
    config, broken = written(tmp_path, [0.0001, 0.03])
    broken.write_text("0.03")
    at = ("--storage", URI, "--json")
    run = ("run", config, "--name", "mine", "--local-mode", *at)
    before = raysweep(*run, cwd=tmp_path, **machine("one"))
    assert before["trials"] == {"total": 2, "completed": 1, "stopped": 0, "failed": 1}
    broken.unlink()
    resume = ("resume", "mine", "--retry-failed", "--local-mode", *at)
    after = raysweep(*resume, cwd=tmp_path, **machine("two"))
    assert after["trials"] == {"total": 2, "completed": 2, "stopped": 0, "failed": 0}
    assert after["best"]["config"] == {"learning_rate": 0.03}
    kept = json.loads((s3.data / "bucket" / "again" / "mine" / "result.json").read_text())
    assert kept == after
    assert not [key for key in s3.keys("again") if "/checkpoints/" in key]
    third = machine("three")
    best = raysweep("best", "mine", "--download", tmp_path / "model", *at, **third)
    assert best["best"] == after["best"]
    assert after["best"]["artifact"] != before["best"]["artifact"]
    model = s3.data / "bucket" / "again" / "mine" / "best" / "trained_model.pth"
    assert (tmp_path / "model" / "trained_model.pth").read_bytes() == model.read_bytes()
    lineage = raysweep("lineage", before["best"]["artifact"], *at, **third)
    assert "report" not in {node.get("job_type") for node in lineage["nodes"]}
    done = call(*resume, cwd=tmp_path, **machine("two"))
    assert done.returncode in (0, 2), done.stderr
    assert "has ended" in done.stderr
