"""Parts of one's own: found by their import path, and checked against their signature."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config, apply, enumerate_trials, load_config
from raysweep.errors import ConfigError

PARTS = """
from __future__ import annotations
from typing import Literal

NUMBER = 3

class Net:
    def __init__(self, width: int, shape: tuple[int, ...] = (1, 2), norm: type = float,
                 kind: Literal["a", "b"] = "a", share: float | None = None, *, loose=None):
        self.arguments = (width, shape, norm, kind, share, loose)

class Trains:
    metrics = {"validation/rmse": "minimize"}
    def __init__(self, model, training, validation, seed, device, epochs: int = 4,
                 rate: float = 0.1):
        pass

class Silent(Trains):
    metrics = None

class Endless(Trains):
    def __init__(self, model, training, validation, seed, device): ...

class Deaf(Trains):
    def __init__(self, model, training, validation, device, epochs: int = 1): ...

class Adopts(Trains):
    def adopt(self, state): ...

from raysweep.ml.training import Trainer

class Derived(Trainer):
    pass

class Explains(Trains):
    metrics = {"validation/rmse": "minimize", "validation/r2": "maximize"}

def aimed(target: str = "x"): ...
def dumped(model_dump: int = 3): ...
def named(name: str = "small", label: str = "x", part: int = 1, params: int = 2, fixed: bool = True,
          function: str = "f", parameters: int = 3): return name, label, part, params, fixed
def named_data(name: str, size: int = 3): ...
def copied(copy: int = 3, schema: str = "s"): ...
def implicit(width: int = None, depth: int = 1): ...
def listed(sizes: list[int] = (32, 64)): ...
def endless(clip: float = float("inf")): ...
def any_names(**settings): ...
def bare(model: Net): ...
def lost(x: Nowhere = None): ...
def data(size: int = 3, path: str = "x"): ...
def scores(model, test, device, *, rows: int = 2): ...
"""
BROKEN = "import json\njson.loads('{')\n"
LACKING = "import no_such_package_at_all\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside whose config own_parts.py lies; nothing of it stays imported."""
    place = tmp_path / "it's a folder"
    place.mkdir()
    for name, text in (("own_parts", PARTS), ("own_broken", BROKEN), ("own_lacking", LACKING)):
        (place / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield place
    for name in ("own_parts", "own_broken", "own_lacking"):
        sys.modules.pop(name, None)


def loaded(folder: Path, text: str) -> Config:
    (folder / "sweep.yaml").write_text(text)
    return load_config(folder / "sweep.yaml")


NET = "model: {target: 'own_parts:Net', width: 3%s}\n"
SWEEP = "sweep: {method: grid, parameters: {%s}}\n"
TRAINS = (
    "train: {target: 'own_parts:Trains'%s}\n"
    "sweep: {method: grid, metric: {name: %s}, parameters: {rate: {values: [0.1, 0.2]}}}\n"
)


def test_the_parameters_are_keys_with_the_signatures_types_and_defaults(folder: Path) -> None:
    model = loaded(folder, NET % ", shape: [4, 5], share: 1, loose: {a: [1]}").model
    assert model.params() == {
        "width": 3, "shape": (4, 5), "kind": "a", "share": 1.0, "loose": {"a": [1]},
    }  # fmt: skip
    assert model.part()(**model.params()).arguments == (3, (4, 5), float, "a", 1.0, {"a": [1]})
    assert model.seed == 0
    assert model.label == "net"


def test_a_parameter_is_swept_like_a_built_in_one(folder: Path) -> None:
    sweep = SWEEP % "model.width: {values: [1, 2]}, model.shape: {values: [[1], [2, 3]]}"
    config = loaded(folder, NET % "" + sweep)
    trial = apply(config, {"model.width": 2, "model.shape": [2, 3]})
    assert trial.model.params()["shape"] == (2, 3)
    with pytest.raises(ConfigError, match=r"model\.width: expected an integer"):
        apply(config, {"model.width": "2"})


def test_a_parameter_may_have_a_name_of_raysweeps(folder: Path) -> None:
    """Also `name`, which no other section can sweep."""
    sweep = SWEEP % (
        "model.name: {values: [small, large]}, model.label: {values: [p, q]}, "
        "model.part: {values: [1, 2]}, model.fixed: {values: [true, false]}, "
        "model.params: {values: [4, 5]}, model.parameters: {values: [6, 7]}"
    )
    config = loaded(folder, "model: {target: 'own_parts:named', function: g}\n" + sweep)
    last = enumerate_trials(config)[-1]
    model = apply(config, last).model
    assert model.label == "named"
    assert model.params() == {
        "name": "large", "label": "q", "part": 2, "params": 5, "fixed": False, "function": "g",
        "parameters": 7,
    }  # fmt: skip
    assert model.part()(**model.params()) == ("large", "q", 2, 5, False)
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_datas_own_name_is_its_functions_parameter(folder: Path) -> None:
    config = loaded(
        folder,
        "data: {target: 'own_parts:named_data', name: any words}\n"
        + SWEEP % "data.name: {values: [a b, c d]}",
    )
    assert config.data.label == "named_data"
    assert apply(config, {"data.name": "c d"}).data.params() == {"name": "c d", "size": 3}


def test_a_config_survives_plain_data_and_another_process(folder: Path, tmp_path: Path) -> None:
    """Ray pickles it for its workers, whose working folder and path differ from the driver's."""
    config = loaded(folder, NET % ", shape: [7]" + TRAINS % (", rate: 0.5", "validation/rmse"))
    assert Config.from_dict(config.to_dict()) == config
    assert pickle.loads(pickle.dumps(config)) == config
    (tmp_path / "config").write_bytes(pickle.dumps(config))
    script = (
        "import pickle, sys; config = pickle.load(open(sys.argv[1], 'rb')); "
        "print(config.model.params()['shape'], config.train.params()['rate'], config.goals())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "config")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(7,) 0.5 {'validation/rmse': 'minimize'}\n"


def test_a_trainers_metrics_are_what_a_sweep_may_choose_on(folder: Path) -> None:
    config = loaded(folder, TRAINS % (", epochs: 7", "validation/rmse"))
    assert config.train.epochs == 7
    assert config.goals() == {"validation/rmse": "minimize"}
    assert loaded(folder, TRAINS % ("", "validation/rmse")).train.epochs == 4


def test_custom_data_is_left_as_it_is_unless_asked(folder: Path) -> None:
    data = "data: {target: 'own_parts:data', name: My-Data}\n"
    config = loaded(folder, data + "preprocess: {normalize: true}\n")
    assert (config.preprocess.normalize, config.preprocess.expand_dims) == (True, False)
    assert config.data.label == "my-data"
    assert loaded(folder, "data: {target: 'own_parts:data'}\n").data.label == "data"


def test_modules_sent_to_a_cluster(folder: Path) -> None:
    package = folder / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("def net(): ...\n")
    text = "model: {target: 'own_package.nets:net'}\nevaluate: {target: 'own_parts:scores'}\n"
    config = loaded(folder, text + "data: {target: 'sklearn.datasets:load_digits'}\n")
    assert config.own_modules() == [package, folder / "own_parts.py"], "sklearn is installed there"


MISTAKES: list[tuple[str, str]] = [
    (NET % ", widht: 3", "model.widht: unknown key; did you mean width?"),
    ("model: {target: 'own_parts:Net'}", "model.width: missing; this key has no default"),
    ("model: {target: 'own_parts:Net', widht: 3}", "model.widht: unknown key; did you mean width?"),
    (NET % ", kind: c", "model.kind: expected one of a, b"),
    (NET % ", shape: [1, x]", 'model.shape[1]: expected an integer, got the text "x"'),
    (NET % ", norm: 3", "model.norm: unknown key"),
    ("model: {target: 'own_parts:Nett'}", "own_parts.py) has no Nett; did you mean Net?"),
    ("model: {target: 'own_parts:NUMBER'}", "own_parts:NUMBER is a int; expected a function"),
    ("model: {target: own_parts}", "model.target: expected module:name, such as my_pkg.nets"),
    ("model: {target: 3}", "model.target: expected module:name, such as my_pkg.nets:ResNet, got 3"),
    ("model: {target: 'own_prats:Net'}", "model.target: no module own_prats in the working folder"),
    ("model: {target: 'own_parts.x:Net'}", "model.target: no module own_parts.x in"),
    (
        "model: {target: 'own_lacking:Net'}",
        "own_lacking cannot be imported: ModuleNotFoundError: No module named "
        "'no_such_package_at_all' (own_lacking.py:1)",
    ),
    ("model: {target: 'own_broken:Net'}", "own_broken cannot be imported: JSONDecodeError"),
    ("model: {target: 'builtins:map'}", "builtins:map has no signature to be read"),
    ("model: {target: 'own_parts:any_names'}", "takes **settings, whose names cannot be checked"),
    ("model: {target: 'own_parts:bare'}", "its parameter model is a Net, which YAML cannot hold"),
    ("train: {target: 'own_parts:Derived', batch_size: 0}", "train.batch_size: expected at least"),
    ("train: {target: 'own_parts:Derived', momentum: 7}", "train.momentum: expected less than 1"),
    ("train: {target: 'own_parts:Derived', schedule: no}", "train.schedule: expected one of none"),
    ("model: {target: '__main__:Net'}", "__main__ is another program in each process"),
    ("data: {target: 'own_parts:aimed'}", "has a parameter target, a key of data itself; rename"),
    ("model: {target: 'own_parts:dumped'}", "parameter model_dump, a key of model itself; rename"),
    ("model: {target: 'own_parts:listed'}", "the default of sizes, [32, 64], is not of its type"),
    ("model: {target: 'own_parts:endless'}", "the default of clip, Infinity, is not of its type"),
    ("model: {target: 'own_parts:lost'}", "an annotation that cannot be read: NameError"),
    ("modle: {target: 'own_parts:Net'}", "modle: unknown key; did you mean model?"),
    ("model: {taget: 'own_parts:Net'}", "model.taget: unknown key; did you mean target?"),
    (
        "train: {target: 'own_parts:Silent'}",
        "own_parts:Silent defines no metrics; expected a mapping",
    ),
    ("train: {target: 'own_parts:Endless'}", "own_parts:Endless takes no epochs; train's must"),
    ("train: {target: 'own_parts:Deaf'}", "takes no seed; train's must take model, training, val"),
    ("evaluate: {target: 'own_parts:data'}", "evaluate.target: own_parts:data takes no model"),
    ("data: {target: 'own_parts:data', name: ../x}", "data.name: expected a name of letters"),
    (TRAINS % (", epochs: 0", "validation/rmse"), "train.epochs: expected at least 1, got 0"),
    (
        TRAINS % ("", "validation/accuracy"),
        'no trial reports "validation/accuracy"; did you mean validation/rmse? (trials report',
    ),
    (
        NET % "" + SWEEP % "model.widht: {values: [1]}",
        "parameter; did you mean model.width",
    ),
    (
        NET % "" + SWEEP % "model.width: {values: [1, x]}",
        "model.width.values[1]: expected an integer",
    ),
    (NET % "" + SWEEP % "model.target: {values: [x]}", "model.target is fixed for the sweep"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_reported_in_one_line(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(folder / "sweep.yaml") in str(caught.value)


def test_a_population_changes_a_custom_trainers_parameters(folder: Path) -> None:
    text = (TRAINS % ("", "validation/rmse")).replace("method: grid", "pbt: {}, method: grid")
    assert loaded(folder, text.replace("Trains", "Adopts")).sweep.pbt is not None
    with pytest.raises(ConfigError, match=r"own_parts:Trains cannot continue from another trial"):
        loaded(folder, text)
    epochs = text.replace("Trains", "Adopts").replace("rate: {values: [0.1", "epochs: {values: [1")
    with pytest.raises(ConfigError, match="pbt cannot change it in mid-training; it can change ra"):
        loaded(folder, epochs.replace(", 0.2", ""))


def test_a_default_of_none_is_a_value_that_the_parameter_takes(folder: Path) -> None:
    model = "model: {target: 'own_parts:implicit'}\n"
    config = loaded(folder, model + SWEEP % "model.depth: {values: [1, 2]}")
    assert config.model.params() == {"width": None, "depth": 1}
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_parameter_may_have_a_name_of_pydantics(folder: Path) -> None:
    model = loaded(folder, "model: {target: 'own_parts:copied', copy: 4}\n").model
    assert model.params() == {"copy": 4, "schema": "s"}


def test_a_goal_that_is_not_given_is_the_trainers(folder: Path) -> None:
    text = (TRAINS % ("", "validation/r2")).replace("Trains", "Explains")
    assert loaded(folder, text).sweep.metric.goal == "maximize"
    written = text.replace("r2}", "r2, goal: minimize}")
    with pytest.raises(ConfigError, match="must be maximized"):
        loaded(folder, written)


def test_a_module_is_found_in_the_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: dict[str, Any] = {"model": {"target": "own_parts:Net", "width": 1}}
    with pytest.raises(ConfigError, match="no module own_parts"):
        Config.from_dict(config)
    monkeypatch.chdir(folder)
    assert Config.from_dict(config).model.params()["width"] == 1
