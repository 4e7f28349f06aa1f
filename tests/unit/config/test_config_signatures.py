"""`**kwargs` of a part of one's own, and a part that is given as the class itself."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from raysweep.config import Config, apply
from raysweep.errors import ConfigError
from raysweep.ml.protocols import Split

PARTS = """
from raysweep.ml.training import Trainer

class Net:
    def __init__(self, width: int): ...

class Focal(Trainer):
    metrics = {"validation/accuracy": "maximize"}
    def __init__(self, *, gamma: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.gamma = gamma

class OfOneOptimizer(Focal):
    def __init__(self, model, batch_size: int = 64, **rest):
        super().__init__(model=model, optimizer="SGD", batch_size=2 * batch_size, **rest)

class ByPosition(Trainer):
    def __init__(self, model, training, validation, **kwargs):
        super(ByPosition, self).__init__(model, training, validation, **kwargs)

class Swallows(Trainer):
    def __init__(self, **kwargs): self.kwargs = kwargs

def any_names(**settings): ...
"""
TRAIN = ("model", "training", "validation", "seed", "device")


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, importable by name."""
    (tmp_path / "own_signatures.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("own_signatures")
    sys.modules.pop("own_signatures")


def config(train: dict[str, Any], **parameters: Any) -> Config:
    sweep = {"method": "grid", "metric": {"name": "validation/accuracy"}, "parameters": parameters}
    return Config.from_dict({"train": train, "sweep": sweep})


def made(train: Any) -> Any:
    """The trainer that the section stands for, as a trial makes it."""
    split = Split(torch.zeros(8, 4), torch.zeros(8, dtype=torch.int64))
    given = (nn.Linear(4, 2), split, split, 0, torch.device("cpu"))
    return train.part()(**dict(zip(TRAIN, given, strict=True)), **train.params())


def test_keywords_that_go_to_the_parent_are_the_parents(parts: ModuleType) -> None:
    swept = {"learning_rate": {"values": [0.1]}, "gamma": {"values": [1.0, 2.0]}}
    sweep = config({"target": "own_signatures:Focal"}, **swept)
    trial = apply(sweep, {"learning_rate": 0.1, "gamma": 2.0}).train
    assert (trial.params()["gamma"], trial.params()["learning_rate"]) == (2.0, 0.1)
    assert made(trial).gamma == 2.0
    assert made(config({"target": "own_signatures:ByPosition"}).train).metrics


def test_what_a_class_sets_itself_is_no_key(parts: ModuleType) -> None:
    """Python would refuse the second value; and of two defaults the child's counts."""
    section = config({"target": "own_signatures:OfOneOptimizer"}).train
    assert section.params()["batch_size"] == 64
    assert "optimizer" not in section.params()
    assert made(section)._batch_size == 128


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"target": "own_signatures:Focal", "gama": 1.0}, "gama: unknown key; did you mean gamma?"),
        ({"target": "own_signatures:Focal", "momentum": 7}, "train.momentum: expected less than 1"),
        ({"target": "own_signatures:OfOneOptimizer", "optimizer": "SGD"}, "unknown key"),
        (
            {"target": "own_signatures:Swallows"},
            r"or hand them to super\(\).__init__\(\*\*kwargs\)",
        ),
        ({"target": "own_signatures:any_names"}, "whose names cannot be checked; spell them out"),
    ],
)
def test_a_mistake_is_told(parts: ModuleType, train: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(train)


def test_a_target_from_python_is_the_class_itself(parts: ModuleType) -> None:
    model = {"target": parts.Net, "width": 3}
    sweep = {"method": "grid", "metric": {"name": "validation/accuracy"}, "parameters": {}}
    given = {"model": model, "train": {"target": parts.Focal}, "sweep": sweep}
    found = Config.from_dict(given)
    assert found.model.target == "own_signatures:Net"
    assert found.sweep.metric.goal == "maximize", "as the trainer says"
    assert pickle.loads(pickle.dumps(found)) == found == Config.from_dict(found.to_dict())


def test_a_class_that_no_other_process_could_import_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def local(width: int = 1) -> None: ...

    with pytest.raises(ConfigError, match=r"model\.target: .*local.* cannot be imported by anot"):
        Config.from_dict({"model": {"target": local}})
    monkeypatch.setattr(local, "__module__", "__main__")
    with pytest.raises(ConfigError, match=r"is in __main__, and __main__ is another program"):
        Config.from_dict({"model": {"target": local}})
