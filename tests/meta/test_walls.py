"""What is private of Ray and Tune stands in two places, and is imported when it is needed."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "raysweep"
RAY_WALL = PACKAGE / "cluster" / "faststart"
TUNE_WALL = PACKAGE / "cluster" / "tune_internals.py"

PRIVATE = (
    "ray._private",
    "ray._raylet",
    "ray.air._internal",
    "ray.autoscaler._private",
    "ray.autoscaler.v2",
    "ray.experimental.internal_kv",
    "ray.runtime_context",
    "ray.tune.execution",
    "ray.tune.registry",
    "ray.tune.utils.object_cache",
    "ray.util.client",
)
"""Modules of Ray that promise nothing to those who import them."""


def modules(*, walls: bool) -> list[Path]:
    """The package's modules: those inside the walls, or all others."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if (path == TUNE_WALL or RAY_WALL in path.parents) == walls
    ]


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def is_private(module: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in PRIVATE)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each module, or name of one, that is imported from Ray: the line, and its whole name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)


def dotted(node: ast.AST) -> str:
    """`ray._private.worker` for that expression; what is no such chain of names begins with `?`."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def documentation(tree: ast.AST) -> set[int]:
    """The ids of the nodes that are strings by themselves: docstrings, which may name anything."""
    return {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}


def offences(path: Path) -> Iterator[str]:
    """What the module has of Ray's private parts."""
    tree, documents = ast.parse(path.read_text()), None
    from_ray = [each for _, each in imported(tree) if each.split(".")[0] == "ray"]
    yield from (f"{line}: imports {each}" for line, each in imported(tree) if is_private(each))
    own = {"self", "cls", "os", "super"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            whole = dotted(node)
            if is_private(whole):
                yield f"{node.lineno}: {whole}"
            hidden = node.attr.startswith("_") and not node.attr.startswith("__")
            if hidden and from_ray and dotted(node.value).split(".")[0] not in own:
                yield f"{node.lineno}: {whole}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            documents = documents or documentation(tree)
            if id(node) not in documents and any(each in node.value for each in PRIVATE):
                yield f"{node.lineno}: names {node.value[:40]!r}"


def test_private_parts_of_ray_stand_inside_the_walls() -> None:
    found = {name(path): list(offences(path)) for path in modules(walls=False)}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_private_parts_are_imported_when_they_are_needed() -> None:
    """So that a module can be imported with a Ray in which one is gone."""
    early = [
        f"{name(path)}: {each}"
        for path in modules(walls=True)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for _, each in imported(node)
        if is_private(each)
    ]
    assert early == []


def of_rays_kind() -> Iterator[type]:
    """Each class of the package that is derived from one of Ray's."""
    for path in modules(walls=False):
        tree = ast.parse(path.read_text())
        if not any(each.split(".")[0] == "ray" for _, each in imported(tree)):
            continue
        module = importlib.import_module(
            ".".join(("raysweep", *path.relative_to(PACKAGE).with_suffix("").parts))
        )
        for each in vars(module).values():
            mine = isinstance(each, type) and each.__module__ == module.__name__
            if mine and any(base.__module__.split(".")[0] == "ray" for base in each.__mro__):
                yield each


def attributes(cls: type) -> set[str]:
    """The private names that the class's own code has of its objects, or gives them."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node.value) == "self"
        if node.attr.startswith("_") and not node.attr.startswith("__")
    } | {each for each in vars(cls) if each.startswith("_") and not each.startswith("__")}


def test_what_is_derived_from_ray_shares_no_private_name_with_it() -> None:
    shared = {
        f"{cls.__name__}.{each}"
        for cls in of_rays_kind()
        for base in cls.__mro__
        if base.__module__.split(".")[0] == "ray"
        for each in attributes(cls) & attributes(base) - {"_abc_impl"}
    }
    assert shared == set()


@pytest.mark.parametrize(
    "line",
    [
        "import ray._private.worker",
        "from ray import _raylet",
        "def f():\n    from ray.tune.registry import get_trainable_cls",
        "import ray\nray._private.worker.connect",
        "import ray\nray.get_runtime_context()._worker",
        "import ray\nnode = ray.node()\nnode._ray_params",
        "import sys\nsys.modules.get('ray._private.worker')",
    ],
)
def test_each_way_through_the_wall_is_seen(line: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f'"""Of ray._private."""\n{line}\n')
    assert len(list(offences(module))) >= 1
    module.write_text('"""Of ray._private."""\nimport ray\nself._mine = ray.nodes()\n')
    assert list(offences(module)) == []
