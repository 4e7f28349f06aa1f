"""constraints.txt, scripts/lock and pyproject.toml agree, for every Python that is supported."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torchvision
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [
    line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
]
PINS = [Requirement(line) for line in LINES]


def load_lock() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lib" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOCK = load_lock()


def pins_for(python: str) -> dict[str, str]:
    """Name -> version of the pins whose marker holds for that Python; two of one name fail."""
    found: dict[str, str] = {}
    for pin in PINS:
        if pin.marker is None or pin.marker.evaluate({"python_version": python}):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{name} is pinned twice for Python {python}"
            (specifier,) = pin.specifier
            found[name] = specifier.version
    return found


def test_every_line_is_an_exact_pin_without_an_address() -> None:
    shape = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; python_version .+)?")
    for line, pin in zip(LINES, PINS, strict=True):
        assert shape.fullmatch(line), line
        assert pin.url is None, line
        assert {specifier.operator for specifier in pin.specifier} == {"=="}, line


@pytest.mark.parametrize("python", LOCK.PYTHONS)
def test_every_dependency_is_pinned_within_its_range(python: str) -> None:
    pins = pins_for(python)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["cluster"], *extras["test"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), text


def imported_packages() -> set[str]:
    """The top-level names that the package imports, anywhere, but for Python's own and itself."""
    found = set()
    for path in (ROOT / "raysweep").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"raysweep"}


def test_every_package_that_is_imported_is_declared() -> None:
    """One that another dependency brings along today may be gone with its next version."""
    texts = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cluster"]]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    owners = packages_distributions()
    names = imported_packages()
    assert {"numpy", "pyarrow", "requests", "PIL"} <= names
    missing = {
        name
        for name in names
        if declared.isdisjoint(map(canonicalize_name, owners.get(name, [name])))
    }
    assert missing == set()


def test_the_license_is_in_the_package() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    (file,) = PROJECT["license-files"]
    assert (ROOT / file).read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]


@pytest.mark.parametrize("python", LOCK.PYTHONS)
def test_ray_is_the_last_one_with_local_mode(python: str) -> None:
    assert pins_for(python)["ray"] == "2.54.1"


def test_torch_and_torchvision_are_one_build() -> None:
    """Both end in `+cu132`, say, or `+cpu`; a mixed pair fails at import or on a GPU."""
    builds = {module.__version__.partition("+")[2] for module in (torch, torchvision)}
    assert len(builds) == 1, builds


def test_supported_pythons_are_the_same_everywhere() -> None:
    prefix = "Programming Language :: Python :: 3."
    classifiers = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith(prefix)]
    assert classifiers == list(LOCK.PYTHONS)
    shell = (ROOT / "scripts" / "lib" / "venv.sh").read_text()
    first, last = (version.replace(".", ", ") for version in (classifiers[0], classifiers[-1]))
    assert f"not ({first}) <= sys.version_info[:2] <= ({last})" in shell
    for version in classifiers:
        assert f"python{version}" in shell


@pytest.mark.parametrize(
    ("versions", "lines"),
    [
        ({"3.10": "1", "3.11": "1", "3.12": "1", "3.13": "1"}, ["x==1"]),
        ({"3.10": "1"}, ["x==1"]),
        (
            {"3.10": "1", "3.11": "2", "3.12": "3", "3.13": "3"},
            [
                "x==1 ; python_version < '3.11'",
                "x==2 ; python_version >= '3.11' and python_version < '3.12'",
                "x==3 ; python_version >= '3.12'",
            ],
        ),
    ],
)
def test_lock_writes_a_marker_only_where_versions_differ(
    versions: dict[str, str], lines: list[str]
) -> None:
    assert LOCK.constraint_lines("x", versions) == lines
