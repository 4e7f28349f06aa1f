"""The shape of the source tree that CONTRIBUTING promises."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "raysweep"
UNIT = ROOT / "tests" / "unit"
MOST_LINES = 320

ADDRESS = re.compile(r"(extra-)?index-url|find-links|/simple[/\"'\s]")


def tracked_texts() -> dict[str, str]:
    """Path -> text of the files git knows or would add, this one left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    own = Path(__file__).resolve().relative_to(ROOT).as_posix()
    return {
        name: (ROOT / name).read_text(encoding="utf-8", errors="replace")
        for name in paths
        if name != own
    }


def test_no_module_is_longer_than_one_idea() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path: n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


def test_every_package_says_what_it_holds() -> None:
    inits = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("__init__.py")}
    first = {
        path: (ast.get_docstring(tree) or "").partition("\n")[0] for path, tree in inits.items()
    }
    assert [path for path, line in first.items() if not line.endswith(".")] == []


def test_unit_tests_mirror_the_rooms() -> None:
    tested = {path.parent.relative_to(UNIT) for path in UNIT.rglob("test_*.py")}
    assert [folder for folder in tested if not (PACKAGE / folder / "__init__.py").is_file()] == []


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_no_file_names_a_registry() -> None:
    naming = {name: ADDRESS.search(text) for name, text in tracked_texts().items()}
    assert {name: found.group() for name, found in naming.items() if found} == {}


def test_scripts_are_executable() -> None:
    scripts = [*(path for path in (ROOT / "scripts").iterdir() if path.is_file()), ROOT / ".ci/run"]
    assert [path.name for path in scripts if not path.stat().st_mode & 0o100] == []
