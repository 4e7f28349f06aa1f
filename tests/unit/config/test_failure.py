"""What is told of a failure: whose frames, which line, and the same in another process."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from raysweep.config.failure import Failure, whole
from raysweep.errors import CodeFailed

CODE = """
import torch

def forward():
    torch.nn.Linear(2, 3)(torch.zeros(5))

def caught():
    try:
        {}["a"]
    except KeyError:
        forward()

def endless():
    endless()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "failing_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("failing_code", None)
    import failing_code

    return failing_code


def raised(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def test_frames_of_libraries_are_folded(mine: ModuleType) -> None:
    error = raised(mine.forward)
    failure = Failure.of(error)
    assert failure.error.startswith("RuntimeError: mat1 and mat2 shapes")
    assert failure.error.endswith("(failing_code.py:5 in forward)")
    assert failure.where == f"{mine.__file__}:5"
    shown = (failure.traceback or "").splitlines()
    assert shown[-1].startswith("RuntimeError: mat1 and mat2")
    assert shown[-2].startswith("  … ") and shown[-2].endswith(" of torch")
    assert "    torch.nn.Linear(2, 3)(torch.zeros(5))" in shown
    assert not any("site-packages" in line for line in shown)
    assert torch.nn.Linear.__module__.partition(".")[0] in whole(error), "the log has all of it"


def test_what_was_handled_when_it_was_raised_comes_first(mine: ModuleType) -> None:
    shown = Failure.of(raised(mine.caught)).traceback or ""
    first, _, second = shown.partition("During handling of the above exception")
    assert "KeyError: 'a'" in first and "RuntimeError" in second


def test_an_endless_recursion_is_short(mine: ModuleType) -> None:
    failure = Failure.of(raised(mine.endless))
    assert failure.where == f"{mine.__file__}:14"
    assert len((failure.traceback or "").splitlines()) < 120


def test_a_part_that_raised_is_told_by_what_it_raised(mine: ModuleType) -> None:
    def part() -> None:
        try:
            mine.caught()
        except RuntimeError as error:
            raise CodeFailed("model.target failing_code:caught: raised it") from error

    failure = Failure.of(raised(part))
    assert failure.where == f"{mine.__file__}:5"
    assert "CodeFailed" not in (failure.traceback or "")


def test_it_travels_with_the_exception(mine: ModuleType) -> None:
    error = raised(mine.forward)
    failure = Failure.of(error)
    failure.noted_in(error)
    elsewhere = pickle.loads(pickle.dumps(error))
    assert elsewhere.__traceback__ is None
    assert Failure.of(elsewhere) == failure
    assert Failure.from_text(failure.to_text()) == failure


def test_without_the_users_frames_the_innermost_is_shown() -> None:
    failure = Failure.of(raised(lambda: torch.load("/nowhere")))
    assert "FileNotFoundError" in (failure.traceback or "")
