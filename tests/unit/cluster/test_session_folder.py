"""The session folder of a Ray of our own goes with it; every other one stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.cluster.session_folder import noted, remove_noted, remove_sessions


@pytest.fixture
def ray_folder(tmp_path: Path) -> Path:
    for name in ("session_mine", "session_other"):
        (tmp_path / name / "logs").mkdir(parents=True)
        (tmp_path / name / "logs" / "gcs_server.out").write_text("a line")
    return tmp_path


@pytest.mark.parametrize("latest", ["session_mine", "session_other"])
def test_only_ours_goes(ray_folder: Path, latest: str) -> None:
    link = ray_folder / "session_latest"
    link.symlink_to(ray_folder / latest)
    remove_sessions([ray_folder / "session_mine"])
    assert not (ray_folder / "session_mine").exists()
    assert (ray_folder / "session_other" / "logs" / "gcs_server.out").exists()
    assert link.is_symlink() == (latest == "session_other")


def test_a_mark_names_folders_that_go_and_nothing_else_does(ray_folder: Path) -> None:
    note = noted([ray_folder / "session_mine", ray_folder / "gone"])
    assert remove_noted(note)
    assert not (ray_folder / "session_mine").exists()
    other = ray_folder / "session_other"
    elsewhere = noted([other]).replace(b"pid:[", b"pid:[9")
    assert not remove_noted(elsewhere), "a container's processes are not seen from here"
    inside = (other / "logs" / "gcs_server.out").open()
    assert not remove_noted(noted([other]))
    inside.close()
    (ray_folder / "precious").mkdir()
    assert not remove_noted(noted([ray_folder / "precious"]))
    assert other.is_dir() and (ray_folder / "precious").is_dir()
    for cut in (b"", noted([other])[:-9], b"[]", b'{"sessions": 3, "namespace": null}'):
        assert remove_noted(cut) and other.is_dir()
    assert remove_noted(noted([other]))
    assert not other.exists()


def test_a_link_and_a_folder_of_another_name_stay(ray_folder: Path, tmp_path: Path) -> None:
    (ray_folder / "session_link").symlink_to(ray_folder / "session_other")
    (ray_folder / "precious").mkdir()
    remove_sessions([ray_folder / "session_link", ray_folder / "precious", ray_folder / "none"])
    assert (ray_folder / "session_other" / "logs").is_dir()
    assert (ray_folder / "precious").is_dir()
