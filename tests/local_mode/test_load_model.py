"""A model loaded from Python predicts the same as in the sweep's evaluation."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from raysweep import LoadedModel, SweepResult, load_model, run_sweep
from raysweep.errors import UserError
from raysweep.ml import datasets
from raysweep.ml.protocols import Split

from sweeps import HAS_LOCAL_MODE, digits, grid, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

CODE = """
import torch
from torch import nn
from raysweep.ml.protocols import Split, Splits

def split(n):
    y = torch.arange(n) % 3
    x = torch.rand(n, 8, generator=torch.Generator().manual_seed(n)) + y.view(-1, 1)
    return Split(x.double(), y)

def table():
    return Splits(split(96), split(48), split(48))

class Mlp(nn.Module):
    def __init__(self, width: int = 16):
        super().__init__()
        self.body = nn.Sequential(nn.LazyLinear(width), nn.BatchNorm1d(width), nn.Linear(width, 3))

    def forward(self, x):
        return self.body(x)
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('a "storage"')


@pytest.fixture(scope="module")
def swept(storage: Path, local_ray: None) -> SweepResult:
    """Two trials on the digits, `bc-first`."""
    config = digits(grid(learning_rate=[0.01, 0.003]))
    return run_sweep(config, name="bc-first", storage=storage)


@pytest.fixture(scope="module")
def flat(storage: Path, swept: SweepResult) -> SweepResult:
    """Pictures that are neither scaled nor given a channel, `flat`."""
    config = digits(
        grid(learning_rate=[0.01]), preprocess={"normalize": False, "expand_dims": False}
    )
    return run_sweep(config, name="flat", storage=storage)


@pytest.fixture(scope="module")
def test_split() -> Split:
    return datasets.load("digits", Path(os.devnull), 600).test


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Assert that no file of a model stays, and restore sys.path for the next test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def accuracy(model: LoadedModel, split: Split) -> float:
    """Return the accuracy on raw examples, in percent."""
    predicted = model.predict(split.x).argmax(dim=1)
    return 100 * float((predicted == split.y).double().mean())


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_it_predicts_what_was_evaluated(
    storage: Path, swept: SweepResult, test_split: Split
) -> None:
    model = load_model("bc-first", storage)
    written = json.loads((storage / "bc-first" / "result.json").read_text())
    assert accuracy(model, test_split) == written["test"]["accuracy"]
    outputs = model.predict(test_split.x)
    assert outputs.dtype == torch.float32
    assert outputs.shape == (297, 10)
    assert not outputs.requires_grad
    loss = torch.nn.functional.cross_entropy(outputs, test_split.y)
    assert float(loss) == pytest.approx(written["test"]["loss"], rel=1e-6)
    assert not model.network.training
    assert len(repr(model)) < 150
    assert (model.source, model.sweep) == (swept.best.artifact, "bc-first")


def test_its_preprocessing_is_that_of_its_data(
    storage: Path, swept: SweepResult, tmp_path: Path, test_split: Split
) -> None:
    sweep = stored(storage, "bc-first")
    used = load_model("bc-first", storage).metadata["used"]["digits-preprocess"]
    sweep.download(f"digits-preprocess:{used}", tmp_path / "data")
    trained_on = datasets.read_split(tmp_path / "data" / "test.pt").x
    preprocessed = load_model("bc-first", storage).preprocess(test_split.x)
    assert preprocessed.dtype == trained_on.dtype
    assert torch.equal(preprocessed, trained_on)


def test_a_sweep_without_preprocessing_has_none(
    storage: Path, flat: SweepResult, test_split: Split
) -> None:
    model = load_model("flat", storage)
    assert model.steps == {"normalize": False, "expand_dims": False}
    assert torch.equal(model.preprocess(test_split.x), test_split.x)
    assert accuracy(model, test_split) == flat.test.accuracy


def test_every_way_to_name_it(
    storage: Path, swept: SweepResult, flat: SweepResult, tmp_path: Path,
    test_split: Split, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "downloaded"
    stored(storage, "bc-first").download_best(folder)
    monkeypatch.chdir(tmp_path)
    by = {
        ref: load_model(ref, storage)
        for ref in (
            "bc", swept.best.artifact, "trained-model:best-bc-first", folder, str(folder),
            "downloaded", swept.model_path,
        )
    }  # fmt: skip
    expected = load_model("bc-first", storage).predict(test_split.x)
    for ref, model in by.items():
        assert torch.equal(model.predict(test_split.x), expected), ref
        assert model.sweep == "bc-first"
    assert by["downloaded"].source == "downloaded"
    assert load_model(storage=storage).sweep == "flat", "the latest"
    assert load_model("trained-model:best", storage).source == flat.best.artifact


def test_arrays_and_lists_do_as_well(storage: Path, swept: SweepResult, test_split: Split) -> None:
    model = load_model("bc", storage)
    expected = model.predict(test_split.x[:3])
    pictures = test_split.x[:3].numpy()
    pictures.flags.writeable = False
    assert torch.equal(model.predict(pictures), expected)
    assert torch.equal(model.predict(pictures.tolist()), expected)
    assert torch.allclose(model.predict(pictures[1][None]), expected[1:2], atol=1e-5)
    assert model.predict(pictures[:0]).shape == (0, 10)


def test_what_cannot_be_predicted_is_refused(storage: Path, swept: SweepResult) -> None:
    model = load_model("bc", storage)
    told = refusal(lambda: model.predict(np.zeros((28, 28), np.uint8)))
    assert "ConvNet cannot take (28, 1, 28)" in told
    assert "example[None]" in told
    wrong = ([["a"]], [[1, 2], [3]], np.uint8(3), torch.tensor(1), None)
    for raw in wrong:
        assert refusal(lambda raw=raw: model.predict(raw)).startswith("raw: expected an array")


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("nine", "no sweep named nine"),
        ("bd-first", "the nearest: bc-first"),
        ("trained-model:bset", "did you mean best?"),
        ("trained-model:v99", "none of them is v99"),
        ("trained-mdel:best", "there is convnet, digits-preprocess, digits-raw, trained-model"),
        ("digits-raw:latest", "no trained model"),
        ("convnet:latest", "no trained model"),
        ("a:b:c", "not a reference"),
        ("./nowhere", "holds no model (metadata.json is missing)"),
        (Path("nowhere"), "holds no model"),
        ("", "no sweep named ''"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(
    storage: Path, swept: SweepResult, ref: str | Path, words: str
) -> None:
    assert words in refusal(lambda: load_model(ref, storage))


def test_a_storage_without_sweeps_is_left_as_it_is(tmp_path: Path) -> None:
    assert "none yet" in refusal(lambda: load_model(storage=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_sweep_without_a_best_is_refused(
    storage: Path, swept: SweepResult, tmp_path: Path
) -> None:
    shutil.copytree(storage, tmp_path / "runs")
    (tmp_path / "runs" / "bc-first" / "result.json").unlink()
    assert "has no best yet" in refusal(lambda: load_model("bc-first", tmp_path / "runs"))


def test_a_damaged_folder_is_refused(storage: Path, swept: SweepResult, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    stored(storage, "bc-first").download_best(folder)
    metadata = json.loads((folder / "metadata.json").read_text())

    def told(change: dict[str, object] | str) -> str:
        text = change if isinstance(change, str) else json.dumps(metadata | change)
        (folder / "metadata.json").write_text(text)
        return refusal(lambda: load_model(folder))

    assert "cannot be read" in told("{")
    assert "has no preprocessing steps" in told({"preprocess": None})
    assert "describes no trained model" in told({"preprocess": {"normalise": True}})
    assert "describes no trained model" in told({"model": None})
    assert "do not fit" in told({"model": metadata["model"] | {"hidden_layer_sizes": [8, 32]}})
    (folder / "metadata.json").write_text(json.dumps(metadata))
    (folder / "trained_model.pth").write_bytes(b"damaged")
    assert "trained_model.pth" in refusal(lambda: load_model(folder))


def test_a_model_of_an_earlier_raysweep_takes_the_steps_from_its_data(
    storage: Path, flat: SweepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata has no `preprocess`."""
    from raysweep.tracking.trackio.tracker import TrackioTracker
    from raysweep.trials.training import loaded_model

    whole = TrackioTracker.artifact

    def earlier(self: TrackioTracker, ref: str) -> object:
        version = whole(self, ref)
        kept = {key: each for key, each in version.metadata.items() if key != "preprocess"}
        return loaded_model.ArtifactVersion(**{**vars(version), "metadata": kept})

    monkeypatch.setattr(TrackioTracker, "artifact", earlier)
    assert load_model("flat", storage).steps == {"normalize": False, "expand_dims": False}


def test_a_custom_model_and_custom_data(
    local_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is imported from where the driver found it, whatever the working folder."""
    home = tmp_path / "mine"
    home.mkdir()
    (home / "loaded_own.py").write_text(CODE)
    monkeypatch.chdir(home)
    config = {
        "data": {"target": "loaded_own:table"},
        "model": {"target": "loaded_own:Mlp", "width": 8},
        "train": {"epochs": 3, "batch_size": 48, "learning_rate": 0.05},
        "resources": {"cpus": 1},
        "sweep": grid(learning_rate=[0.05, 0.01]),
    }
    result = run_sweep(config, name="own", storage=tmp_path / "runs")
    import loaded_own  # type: ignore[import-not-found]

    test = loaded_own.table().test

    def forgotten() -> None:
        sys.modules.pop("loaded_own", None)
        monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(home)])

    monkeypatch.chdir("/")
    forgotten()
    for ref in ("own", result.best.artifact):
        model = load_model(ref, tmp_path / "runs")
        assert torch.equal(model.preprocess(test.x), test.x)
        assert accuracy(model, test) == result.test.accuracy
        forgotten()
    told = refusal(lambda: load_model(tmp_path / "runs" / "own" / "best"))
    assert "no module loaded_own" in told
    (home / "loaded_own.py").write_text(CODE.replace("16", "3").replace("(width, 3)", "(width, 4)"))
    assert "do not fit the network" in refusal(lambda: load_model("own", tmp_path / "runs"))
    sys.modules.pop("loaded_own", None)
