"""The description of an exception: its type, its text, and the line of the user's own code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.config.import_path import resolve
from raysweep.config.raised import cause, passed_own_code, where_raised
from raysweep.errors import ConfigError

CODE = """
import json
import sys

class Silent(BaseException):
    def __str__(self):
        raise ValueError

def own():
    raise KeyError("x")

def leaves():
    sys.exit("no weights")

def says_nothing():
    raise SystemExit

def in_the_library():
    json.loads("{")

def has_no_text():
    raise Silent

def within():
    def steps():
        yield next(iter(()))
    list(steps())

def two_lines():
    raise RuntimeError("first\\nsecond")
"""


@pytest.fixture(autouse=True)
def raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "raising.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    sys.modules.pop("raising", None)


def raised_by(function: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("own", "KeyError: 'x' (raising.py:10 in own)"),
        ("leaves", "SystemExit: no weights (raising.py:13 in leaves)"),
        ("says_nothing", "SystemExit (raising.py:16 in says_nothing)"),
        ("has_no_text", "Silent: (its text is unavailable) (raising.py:22 in has_no_text)"),
        ("within", "RuntimeError: generator raised StopIteration (raising.py:27 in within)"),
        ("two_lines", "RuntimeError: first (raising.py:30 in two_lines)"),
    ],
)
def test_the_innermost_line_of_the_users_code(name: str, says: str) -> None:
    assert where_raised(raised_by(resolve(f"raising:{name}"))) == says


def test_a_line_of_the_users_code_and_not_of_the_library_that_it_calls() -> None:
    said = where_raised(raised_by(resolve("raising:in_the_library")))
    assert said.startswith("JSONDecodeError: ") and said.endswith(
        "(raising.py:19 in in_the_library)"
    )


def test_an_installed_target_counts_as_the_users_code() -> None:
    error = raised_by(lambda: resolve("sklearn.datasets:fetch_openml")(data_id=-1))
    assert passed_own_code(error)
    assert "_openml.py:" in where_raised(error) or "_param_validation.py:" in where_raised(error)


def test_without_a_line_of_the_users_code_that_of_the_library() -> None:
    import torch

    def multiply() -> None:
        torch.nn.Linear(2, 3)(torch.ones(4))

    error = raised_by(multiply)
    error.__traceback__ = error.__traceback__.tb_next.tb_next  # type: ignore[union-attr]
    assert not passed_own_code(error)
    assert where_raised(error).endswith("in _call_impl)") or "linear.py:" in where_raised(error)


def test_the_place_may_be_that_of_the_cause() -> None:
    def wrapped() -> None:
        try:
            resolve("raising:own")()
        except KeyError as error:
            raise ConfigError("wrapped") from error

    error = raised_by(wrapped)
    assert passed_own_code(error)
    assert cause(error) == "ConfigError: wrapped", "one of raysweep's own says itself where"


def test_a_script_that_exits_when_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "a_script.py").write_text("import sys\nsys.exit(2)\n")
    with pytest.raises(ConfigError) as caught:
        Config.from_dict({"model": {"target": "a_script:net"}})
    assert "a_script cannot be imported: SystemExit: 2 (a_script.py:2)" in str(caught.value)


@pytest.mark.parametrize("metrics", ["{'a': ['minimize']}", "{1: 'minimize'}", "{}", "['a']"])
def test_invalid_metrics(metrics: str, tmp_path: Path) -> None:
    name = f"odd_metrics_{abs(hash(metrics))}"
    code = f"class T:\n    metrics = {metrics}\n    def __init__(self, model, training, "
    code += "validation, seed, device, epochs: int = 1): ...\n"
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(ConfigError, match="defines no metrics"):
        Config.from_dict({"train": {"target": f"{name}:T"}})
