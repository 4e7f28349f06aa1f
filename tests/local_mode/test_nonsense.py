"""A custom part that returns nonsense: one line, exit code 2, and nothing left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raysweep.cli.main import main

from sweeps import HAS_LOCAL_MODE

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")


def test_invalid_data_stops_the_sweep_before_its_first_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nonsense_part.py").write_text("def data(): return 3\n")
    (tmp_path / "sweep.yaml").write_text("data: {target: 'nonsense_part:data'}\n")
    assert main(["run", "sweep.yaml", "--local-mode", "--name", "mine"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    expected = "data.target nonsense_part:data: gave an int; expected raysweep.ml.protocols.Splits"
    assert err.splitlines()[-1] == f"raysweep: {expected}"
    assert not (tmp_path / "runs" / "mine").exists()
    sys.modules.pop("nonsense_part")
