"""Where W&B's client keeps its files: each machine decides for itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

from raysweep.tracking.wandb.settings import UserSettings


def test_the_sweeps_folder_is_used_where_it_is_and_made_nowhere_else(tmp_path: Path) -> None:
    assert UserSettings.of({}, tmp_path).place() == str(tmp_path)
    elsewhere = tmp_path / "of" / "the driver"
    assert UserSettings.of({}, elsewhere).place() == tempfile.gettempdir()
    assert not elsewhere.exists()


def test_what_the_user_says_goes_first(tmp_path: Path) -> None:
    chosen = UserSettings.of({"WANDB_DIR": str(tmp_path / "mine")}, tmp_path)
    assert chosen.place() == str(tmp_path / "mine")
    assert UserSettings.of({}).place() is None
