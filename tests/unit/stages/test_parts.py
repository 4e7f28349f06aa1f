"""Custom parts that return nonsense, or raise: one line names the part and the place."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysweep.cluster import signals
from raysweep.config import Config
from raysweep.errors import CodeFailed, ConfigError
from raysweep.ml.protocols import BatchLoss, EpochMetrics, Split
from raysweep.stages import parts, stages
from raysweep.storage.storage import Storage
from raysweep.sweep import preflight
from raysweep.tracking.identity import SweepIdentity

from workshop import Workshop, open_store

CPU = torch.device("cpu")

PARTS = """
import sys
import numpy as np
import torch
from raysweep.ml.protocols import EpochMetrics, Evaluation, Picture, Split, Splits, Table
from raysweep.ml.training import Trainer

def some(n=4, of=None):
    return Split(torch.ones(n, 2), torch.zeros(n if of is None else of))

def nothing(): return None
def uneven(): return Splits(some(), some(4, 3), some())
def empty(): return Splits(some(), some(), some(0))
def a_list(): return Splits(some(), Split([1], torch.zeros(1)), some())
def a_number(): return Splits(Split(torch.tensor(1.0), torch.zeros(1)), some(), some())
def raises(): return {}["x"]
def steady(value: float = 1.0): return Splits(*(Split(torch.full((3, 2), value), torch.zeros(3))
                                                for _ in range(3)))
def drawn(): return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
def no_module(): return torch.ones(3)
def scores(model, test, device): return {"loss": 1.0}
def words(model, test, device): return Evaluation({"loss": "low"})

def leaves(): sys.exit("no data")
def interrupts(): raise KeyboardInterrupt
def generator_ends(): raise GeneratorExit
class Own(BaseException): ...
def ends_all(): raise Own("all")

class Leaving(torch.nn.Module):
    def __init__(self): super().__init__()
    def forward(self, x):
        sys.exit("cannot go on")

def numbers(model, test, device):
    return Evaluation({"f1": np.float32(0.5), "n": torch.tensor(3)},
                      tables={"t": Table(["a", "b"], [[np.int64(1), "x"]])})
def float_pixels(model, test, device):
    return Evaluation({"f1": 1.0}, pictures={"worst": [Picture(np.zeros((2, 2)))]})
def short_row(model, test, device):
    return Evaluation({"f1": 1.0}, tables={"t": Table(["a", "b"], [[1]])})
def odd_cell(model, test, device):
    return Evaluation({"f1": 1.0}, tables={"t": Table(["a"], [[test]])})
def lazily(model, test, device):
    return Evaluation({"f1": 1.0}, pictures={"worst": (1 / 0 for _ in range(2))})
def no_scores(model, test, device): return Evaluation([1.0])

class Forgetful(Trainer):
    metrics = {"train/loss": "minimize", "validation/f1": "maximize"}

class NoTrainer:
    metrics = {"train/loss": "minimize"}
    def __init__(self, model, training, validation, seed, device, epochs: int = 1): ...
"""


@pytest.fixture(autouse=True)
def parts_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "odd_parts.py").write_text(PARTS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    sys.modules.pop("odd_parts", None)


def config_of(section: str, name: str, **keys: Any) -> Config:
    sweep: dict[str, Any] = {"method": "grid", "parameters": {}}
    if section == "train":
        sweep["metric"] = {"name": "train/loss"}
    own = {"target": f"odd_parts:{name}", **keys}
    return Config.from_dict({"data": {"dataset": "digits"}, "sweep": sweep, section: own})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "gave None; expected raysweep.ml.protocols.Splits"),
        ("uneven", "its validation split: x has 4 examples and y has 3; expected as many"),
        ("empty", "its test split is empty; expected at least 1 example"),
        ("a_list", "its validation split: x is a list; expected a tensor"),
        ("a_number", "its training split: x is a Tensor; expected a tensor whose first dimension"),
        ("leaves", "raised SystemExit: no data (odd_parts.py:24 in leaves)"),
        ("interrupts", "raised KeyboardInterrupt (odd_parts.py:25 in interrupts)"),
        ("generator_ends", "raised GeneratorExit (odd_parts.py:26 in generator_ends)"),
        ("ends_all", "raised Own: all (odd_parts.py:28 in ends_all)"),
        ("raises", "raised KeyError: 'x' (odd_parts.py:16 in raises)"),
    ],
)
def test_data(name: str, says: str) -> None:
    with pytest.raises((ConfigError, CodeFailed)) as caught:
        parts.load_data(config_of("data", name).data)
    assert str(caught.value).startswith(f"data.target odd_parts:{name}: {says}")
    assert caught.value.exit_code == (1 if says.startswith("raised ") else 2)


def test_a_network() -> None:
    with pytest.raises(ConfigError, match="gave a Tensor; expected torch"):
        parts.make_network(config_of("model", "no_module").model)


def test_a_trainer() -> None:
    config = config_of("train", "NoTrainer")
    splits = parts.load_data(config_of("data", "steady").data)
    data = (splits.training, splits.validation)
    with pytest.raises(ConfigError, match=r"train\.target odd_parts:NoTrainer: .* has no model"):
        parts.make_trainer(config.train, torch.nn.Linear(2, 1), data, 0, CPU)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (None, "an epoch ends with None; expected EpochMetrics"),
        (BatchLoss(0, 1, 0.5), "an epoch ends with a BatchLoss"),
        (
            EpochMetrics(0, 1, {"train/loss": 0.5}),
            r"reports no number for validation/f1, .* \(it reports train/loss\)",
        ),
    ],
)
def test_an_epoch(last: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parts.check_metrics(config_of("train", "Forgetful"), last)


@pytest.mark.parametrize(
    ("name", "says"),
    [("scores", "gave a dict; expected"), ("words", "gave a str; expected a number for the score")],
)
def test_an_evaluation(name: str, says: str) -> None:
    test = parts.load_data(config_of("data", "steady").data).test
    with pytest.raises(ConfigError, match=rf"evaluate\.target odd_parts:{name}: {says}"):
        parts.evaluate(config_of("evaluate", name).evaluate, torch.nn.Linear(2, 1), test, CPU)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "float_pixels",
            r"its picture 0 of worst has pixels of \(2, 2\) float64; expected \(H, W\)",
        ),
        ("short_row", "row 0 of its table t has 1 cells and 2 columns; expected as many"),
        ("odd_cell", "its table t has a cell that is a Split; expected a number or text"),
        ("lazily", r"raised ZeroDivisionError: division by zero \(odd_parts.py:\d+ in <genexpr>\)"),
        ("no_scores", "raised AttributeError: 'list' object has no attribute 'items'"),
    ],
)
def test_what_cannot_be_logged_of_an_evaluation(name: str, says: str) -> None:
    test = parts.load_data(config_of("data", "steady").data).test
    kind = CodeFailed if says.startswith("raised") else ConfigError
    with pytest.raises(kind, match=rf"evaluate\.target odd_parts:{name}: {says}"):
        parts.evaluate(config_of("evaluate", name).evaluate, torch.nn.Linear(2, 1), test, CPU)


def test_scores_and_cells_of_numpy_and_torch_are_plain_numbers() -> None:
    test = parts.load_data(config_of("data", "steady").data).test
    section = config_of("evaluate", "numbers").evaluate
    found = parts.evaluate(section, torch.nn.Linear(2, 1), test, CPU)
    assert found.scores == {"f1": 0.5, "n": 3}
    cells = [*found.scores.values(), found.tables["t"].rows[0][0]]
    assert [type(each) for each in cells] == [float, int, int]


def test_a_network_that_exits_while_the_built_in_evaluation_scores_it() -> None:
    network = parts.make_network(config_of("model", "Leaving").model)
    test = parts.load_data(config_of("data", "steady").data).test
    section = Config.from_dict({"data": {"dataset": "digits"}}).evaluate
    with pytest.raises(CodeFailed, match=r"^evaluate: raised SystemExit: cannot go on \(odd_part"):
        parts.evaluate(section, network, test, CPU)


def test_an_interrupt_is_no_fault_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal raises KeyboardInterrupt in whatever code is running."""
    section = config_of("data", "steady").data
    interrupted = staticmethod(lambda **_: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(type(section), "_function", interrupted)
    with signals.watched(), pytest.raises(KeyboardInterrupt):
        parts.load_data(section)


def test_a_sigterm_of_a_worker_is_no_fault_of_a_part() -> None:
    """Ray's handler raises a marked SystemExit in whatever code is running."""
    error = SystemExit(1)
    error.ray_terminate_msg = "The process receives a SIGTERM."  # type: ignore[attr-defined]
    assert signals.is_interrupt(error) and not signals.is_interrupt(SystemExit(1))


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (None, r"epoch\(\) gave None; expected an iterator of BatchLoss that ends with"),
        ([{"loss": 1.0}], "an epoch yields a dict; expected BatchLoss or EpochMetrics"),
        ([], "an epoch ends with None; expected EpochMetrics"),
        ([BatchLoss(0, "1", 0.5)], "BatchLoss.examples is a str; expected an integer"),  # type: ignore[arg-type]
        ([BatchLoss(0, 1, torch.ones(2))], "BatchLoss.loss is a Tensor; expected a number"),  # type: ignore[arg-type]
        ([EpochMetrics(0, 1.5, {})], "reports no number|EpochMetrics.examples is 1.5; expected"),  # type: ignore[arg-type]
        ([EpochMetrics(0, 1, [])], "EpochMetrics.values is a list; expected a mapping"),  # type: ignore[arg-type]
        ([EpochMetrics(0, 1, {"a": "low"})], "a is a str; expected a number"),  # type: ignore[dict-item]
    ],
)
def test_what_an_epoch_yields(events: Any, says: str) -> None:
    trainer: Any = type("Odd", (), {"epoch": lambda self: events})()
    with pytest.raises(ConfigError, match=f"train.target odd_parts:Forgetful: .*({says})"):
        list(parts.events_of(config_of("train", "Forgetful"), trainer))


def test_counts_and_metrics_of_numpy_and_torch_are_plain_numbers() -> None:
    batch: Any = BatchLoss(np.int32(0), np.int64(2), torch.tensor(0.5, requires_grad=True))  # type: ignore[arg-type]
    values = {"train/loss": np.float32(0.5), "validation/f1": torch.tensor([0.25])}
    end: Any = EpochMetrics(np.uint8(0), torch.tensor(4), values)  # type: ignore[arg-type]
    trainer: Any = type("Odd", (), {"epoch": lambda self: iter([batch, end])})()
    found = list(parts.events_of(config_of("train", "Forgetful"), trainer))
    assert found == [
        BatchLoss(0, 2, 0.5), EpochMetrics(0, 4, {"train/loss": 0.5, "validation/f1": 0.25})
    ]  # fmt: skip
    assert json.dumps([vars(each) for each in found]), "plain"


def test_a_network_comes_from_its_seed_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.rand(3)
        network = parts.make_network(config_of("model", "drawn", seed=seed).model)
        return network.state_dict()["0.weight"]

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_a_custom_network_trains_the_same_bit_for_bit() -> None:
    """Its dropout draws from torch's random state."""
    rows = Split(torch.ones(64, 2), torch.arange(64) % 2)
    train = config_of("train", "Forgetful", epochs=1, batch_size=8, precision="fp32").train

    def trained(seed: int) -> torch.Tensor:
        network = parts.make_network(config_of("model", "drawn").model)
        torch.rand(3)  # what runs besides
        trainer = parts.make_trainer(train, network, (rows, rows), seed, CPU)
        list(trainer.epoch())
        weight: torch.Tensor = trainer.model.state_dict()["0.weight"]
        return weight

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2)), "all rows are one: only the dropout differs"


def test_custom_stages_run_every_time_and_give_one_version_for_the_same_bytes(
    tmp_path: Path, sweep: SweepIdentity
) -> None:
    tracker = open_store(tmp_path / "tracker")
    first, again, other = (
        stages.load(tracker, SweepIdentity(name, name), config_of("data", "steady", value=value))
        for name, value in (("one", 1.0), ("two", 1.0), ("three", 2.0))
    )
    assert (first.cached, again.cached, other.cached) == (False, True, False)
    assert [each.artifact.ref for each in (first, again, other)] == [
        "steady-raw:v0", "steady-raw:v0", "steady-raw:v1",
    ]  # fmt: skip
    assert [len(tracker.runs(name)) for name in ("one", "two", "three")] == [1, 1, 1]
    assert tracker.artifact("steady-raw:v0").metadata["source"] == "odd_parts:steady"
    config = config_of("data", "steady", value=1.0)
    another = SweepIdentity("another", "another")
    assert not stages.preprocess(tracker, sweep, config, first.artifact).cached
    assert stages.preprocess(tracker, another, config, again.artifact).cached
    resumed = stages.preprocess(tracker, sweep, config, again.artifact)
    assert not resumed.cached, "an earlier process of the very sweep made it"


def test_a_failed_stage_is_a_failed_run_that_says_why(tmp_path: Path, sweep: SweepIdentity) -> None:
    tracker = open_store(tmp_path / "tracker")
    with pytest.raises(ConfigError):
        stages.load(tracker, sweep, config_of("data", "uneven"))
    (run,) = tracker.runs(sweep.name)
    assert run.error.startswith("ConfigError: data.target odd_parts:uneven: its validation split")


def test_a_trainer_without_a_declared_metric_fails_its_trial(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    config = make_config(
        train={"target": "odd_parts:Forgetful", "momentum": 0.0},
        sweep={"method": "grid", "parameters": {}, "metric": {"name": "train/loss"}},
    )
    with pytest.raises(ConfigError, match="reports no number for validation/f1"):
        workshop.session(config).step()
    run = workshop.tracker.run(workshop.sweep.run_id("trial-0000"))
    assert run.state == "failed"


def test_custom_data_is_not_called_mnist(tmp_path: Path) -> None:
    data = {"target": "sklearn.datasets:load_iris", "name": "MNIST"}
    with pytest.raises(ConfigError, match=r"data\.name: mnist is a data set's that raysweep reads"):
        preflight.check(Config.from_dict({"data": data}), Storage(tmp_path), None)
