"""Stored names joined to folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysweep.errors import UnsafeName
from raysweep.paths import is_own, safe_join

OUTSIDE = [
    *("..", "../a", "a/../../b", "a/..", "/etc/passwd", "//a", "", ".", "./a", "a//b", "a/"),
    *("..\\a", "a\\..\\..\\b", "\\a", "\\\\host\\share", "C:\\a", "c:/a", "a\0b", "\0"),
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeName) as caught:
        safe_join(tmp_path, name, "s3://bucket/prefix")
    told = str(caught.value)
    assert told.startswith(f"s3://bucket/prefix: holds the name {name!a}, ")
    assert told.isprintable()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", [None, 1, b"a", ["a"]])
def test_what_is_no_text_is_refused(tmp_path: Path, name: object) -> None:
    with pytest.raises(UnsafeName):
        safe_join(tmp_path, name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a", "a/b.c", "..a", "a..", "a b/ä", "a:b", "a\\b", "...", ".a"])
def test_any_other_name_is_taken(tmp_path: Path, name: str) -> None:
    assert safe_join(tmp_path, name) == tmp_path / name


def test_a_long_name_is_told_in_part(tmp_path: Path) -> None:
    with pytest.raises(UnsafeName) as caught:
        safe_join(tmp_path, "../" + "a" * 5000)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_links_are_followed_inside_and_to_the_folder_itself(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "a").mkdir(parents=True)
    here.symlink_to(there)
    (there / "same").symlink_to("a")
    assert safe_join(here, "same/b") == here / "same" / "b"
    assert safe_join(here, "a/b") == here / "a" / "b"


@pytest.mark.parametrize("name", ["link", "link/b", "file"])
def test_a_link_that_leads_out_is_refused_though_nothing_is_there(
    tmp_path: Path, name: str
) -> None:
    root, outside = tmp_path / "runs", tmp_path / "runs of another"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to("../.bashrc")
    with pytest.raises(UnsafeName, match="leads out of it by a link, to") as caught:
        safe_join(root, name)
    assert str(caught.value).startswith(f"{root}: '{name}' ")


def test_a_folder_is_ones_own_if_the_link_to_it_is(tmp_path: Path) -> None:
    """Another user's link in a temporary folder would lead to a folder of ours that he chose."""
    mine, link = tmp_path / "mine", tmp_path / "link"
    mine.mkdir()
    link.symlink_to(mine)
    assert is_own(mine)
    assert is_own(link)
    if os.getuid() != 0:
        pytest.skip("only root can make a link of another user's")
    os.chown(link, 1, 1, follow_symlinks=False)
    assert is_own(mine)
    assert not is_own(link)
