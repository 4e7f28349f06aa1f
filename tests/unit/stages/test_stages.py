"""The three stages on real data, in a real tracker: what they log, and that they run once."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from raysweep.config import Config, apply
from raysweep.errors import ArtifactCorrupt, ConfigError, DataError
from raysweep.ml import files
from raysweep.ml.weights import load_weights
from raysweep.stages import stages
from raysweep.stages.stages import SPLITS
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.tracker import TrackioRun

from workshop import Workshop, run_stages

SPLIT_FILES = ["metadata.json", "test.pt", "training.pt", "validation.pt"]


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let torchvision's mirrors not answer."""
    import torchvision

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{port}/"])
    yield
    gc.collect()  # torchvision leaves the sockets of failed requests to the garbage collector


def test_the_raw_data_is_logged(workshop: Workshop, tmp_path: Path) -> None:
    raw = workshop.tracker.download("digits-raw:v0", tmp_path / "raw")
    assert (raw.name, raw.type, raw.ref) == ("digits-raw", "dataset", "digits-raw:v0")
    assert raw.description == "Raw digits dataset, split into train/val/test"
    assert raw.metadata["source"] == "sklearn.datasets.load_digits"
    assert raw.metadata["sizes"] == [1200, 300, 297]
    assert len(raw.metadata["fingerprint"]) == 64
    assert sorted(file.path for file in raw.files) == SPLIT_FILES
    for name, size in zip(SPLITS, (1200, 300, 297), strict=True):
        x, y = torch.load(tmp_path / "raw" / f"{name}.pt", weights_only=True)
        assert (x.shape, x.dtype) == ((size, 28, 28), torch.uint8)
        assert (y.shape, y.dtype) == ((size,), torch.int64)


def test_the_preprocessed_data_is_the_raw_data_scaled(workshop: Workshop, tmp_path: Path) -> None:
    workshop.tracker.download("digits-raw:v0", tmp_path / "raw")
    data = workshop.tracker.download(workshop.data.ref, tmp_path / "data")
    assert (data.name, data.type) == ("digits-preprocess", "dataset")
    assert data.description == "Preprocessed digits dataset"
    assert data.metadata["normalize"] is data.metadata["expand_dims"] is True
    assert data.metadata["raw"] == "digits-raw:v0"
    assert len(data.metadata["fingerprint"]) == 64
    assert sorted(file.path for file in data.files) == SPLIT_FILES
    for name in SPLITS:
        raw_x, raw_y = torch.load(tmp_path / "raw" / f"{name}.pt", weights_only=True)
        x, y = torch.load(tmp_path / "data" / f"{name}.pt", weights_only=True)
        assert torch.equal(x, raw_x.unsqueeze(1) / 255)
        assert torch.equal(y, raw_y)


def test_the_untrained_model_carries_its_whole_configuration(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    model = workshop.tracker.download(workshop.model.ref, tmp_path / "model")
    assert (model.name, model.type, model.ref) == ("convnet", "model", "convnet:v0")
    assert model.description == "Simple AlexNet style CNN"
    assert sorted(file.path for file in model.files) == ["initialized_model.pth", "metadata.json"]
    settings = config.model.model_dump(mode="json")
    assert {key: model.metadata[key] for key in settings} == settings
    assert model.metadata["input_shape"] == [1, 28, 28]
    weights = load_weights(tmp_path / "model" / "initialized_model.pth")
    assert weights["layer1.0.weight"].shape == (4, 1, 3, 3)
    assert weights["fc.weight"].shape == (10, 8 * 5 * 5)


def test_each_stage_is_a_run_that_says_what_it_did(workshop: Workshop) -> None:
    load, preprocess, initialize = workshop.tracker.runs("first")
    assert [run.job_type for run in (load, preprocess, initialize)] == [
        "load-data",
        "preprocess-data",
        "initialize",
    ]
    assert {run.state for run in (load, preprocess, initialize)} == {"finished"}
    assert load.name == "load-data-first"
    assert load.config == {"data": {"dataset": "digits", "train_size": 1200}}
    assert preprocess.config == {"preprocess": {"normalize": True, "expand_dims": True}}
    assert initialize.config["model"]["hidden_layer_sizes"] == [4, 8]
    assert (load.used, load.logged) == ((), ("digits-raw:v0",))
    assert (preprocess.used, preprocess.logged) == (("digits-raw:v0",), ("digits-preprocess:v0",))
    assert (initialize.used, initialize.logged) == ((), ("convnet:v0",))
    assert load.summary["artifact"] == "digits-raw:v0"
    assert load.summary["size_bytes"] > 1797 * 28 * 28


def test_a_second_sweep_reuses_every_stage(workshop: Workshop, config: Config) -> None:
    before = len(workshop.tracker.runs())
    outcomes = run_stages(workshop.tracker, workshop.sweep, config)
    assert all(outcome.cached for outcome in outcomes)
    assert [outcome.artifact.ref for outcome in outcomes] == [
        "digits-raw:v0",
        "digits-preprocess:v0",
        "convnet:v0",
    ]
    assert len(workshop.tracker.runs()) == before
    for outcome in outcomes:
        assert workshop.tracker.artifact(outcome.artifact.name).version == "v0"


def test_latest_is_the_stages_last_output(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    tracker, sweep = workshop.tracker, workshop.sweep
    other = run_stages(tracker, sweep, make_config(data={"train_size": 600}))
    assert [outcome.cached for outcome in other] == [False, False, True]
    assert tracker.artifact("digits-raw").ref == "digits-raw:v1"
    again = run_stages(tracker, sweep, make_config())
    assert all(outcome.cached for outcome in again)
    assert tracker.artifact("digits-raw:latest").ref == "digits-raw:v0"
    assert tracker.artifact("digits-preprocess:latest").ref == "digits-preprocess:v0"


def test_each_architecture_is_a_version_and_a_run(workshop: Workshop, config: Config) -> None:
    for hidden in ([4, 8], [8, 4], [2], [8, 4]):
        changed = apply(config, {"model.hidden_layer_sizes": hidden})
        stages.initialize(workshop.tracker, workshop.sweep, changed)
    assert workshop.tracker.artifact("convnet:latest").ref == "convnet:v1"
    assert len(workshop.tracker.runs(workshop.sweep.name)) == 2
    with pytest.raises(Exception, match="none of them is v3"):
        workshop.tracker.artifact("convnet:v3")


def test_a_stage_that_fails_says_why_in_its_run(
    tracker: Tracker, sweep: SweepIdentity, config: Config
) -> None:
    config = apply(config, {"model.kernel_sizes": [27]})
    with pytest.raises(ConfigError, match="leave no pixels"):
        stages.initialize(tracker, sweep, config)
    (run,) = tracker.runs(sweep.name)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.startswith("ConfigError: model: kernel_sizes [27]")
    assert run.logged == ()


def test_a_blob_changed_on_disk_stops_the_stage_that_reads_it(
    tracker: Tracker, sweep: SweepIdentity, config: Config, tmp_path: Path
) -> None:
    raw = stages.load(tracker, sweep, config).artifact
    digest = next(file.digest for file in raw.files if file.path == "validation.pt")
    (blob,) = (tmp_path / "tracker").rglob(digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactCorrupt, match=r"validation\.pt"):
        stages.preprocess(tracker, sweep, config, raw)
    assert tracker.runs(sweep.name)[-1].state == "failed"


def test_mnist_is_called_mnist(
    tracker: Tracker, sweep: SweepIdentity, mini_mnist: Path, make_config: Callable[..., Config]
) -> None:
    data = {"dataset": "MNIST", "root": str(mini_mnist), "train_size": 50}
    raw, preprocessed, _ = run_stages(tracker, sweep, make_config(data=data))
    assert raw.artifact.ref == "mnist-raw:v0"
    assert raw.artifact.description == "Raw MNIST dataset, split into train/val/test"
    assert raw.artifact.metadata["source"] == "torchvision.datasets.MNIST"
    assert raw.artifact.metadata["sizes"] == [50, 10, 20]
    assert preprocessed.artifact.ref == "mnist-preprocess:v0"
    assert preprocessed.artifact.description == "Preprocessed MNIST dataset"
    assert stages.obtain(make_config(data=data).data) == (make_config(data=data).data, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_mnist_the_digits_are_the_fallback_under_their_own_name(
    tracker: Tracker,
    sweep: SweepIdentity,
    tmp_path: Path,
    make_config: Callable[..., Config],
    no_mirror: None,
) -> None:
    data = {"dataset": "MNIST", "root": str(tmp_path / "nothing"), "fallback": "digits"}
    config = make_config(data=data)
    obtained, warning = stages.obtain(config.data)
    assert warning is not None
    assert "MNIST is not in" in warning
    assert "the embedded digits stand in" in warning
    assert warning.endswith(f"{tmp_path / 'nothing' / 'MNIST' / 'raw'}.")
    config = config.model_copy(update={"data": obtained})
    raw, preprocessed, _ = run_stages(tracker, sweep, config)
    assert raw.artifact.name == "digits-raw"
    assert preprocessed.artifact.name == "digits-preprocess"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_a_fallback_the_error_says_what_to_put_where(
    tracker: Tracker,
    sweep: SweepIdentity,
    tmp_path: Path,
    make_config: Callable[..., Config],
    no_mirror: None,
) -> None:
    data = {"dataset": "MNIST", "root": str(tmp_path / "nothing"), "fallback": None}
    with pytest.raises(DataError, match="put train-images-idx3-ubyte"):
        stages.obtain(make_config(data=data).data)


def test_a_truncated_file_is_no_reason_to_fall_back(
    tracker: Tracker, sweep: SweepIdentity, mini_mnist: Path, make_config: Callable[..., Config]
) -> None:
    path = files.raw_folder("MNIST", mini_mnist) / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    data = {"dataset": "MNIST", "root": str(mini_mnist), "train_size": 50, "fallback": "digits"}
    with pytest.raises(DataError, match="truncated"):
        stages.obtain(make_config(data=data).data)


def test_a_training_split_that_leaves_nothing_to_validate_is_refused(
    mini_mnist: Path, make_config: Callable[..., Config]
) -> None:
    data = {"dataset": "MNIST", "root": str(mini_mnist), "train_size": 60}
    with pytest.raises(DataError, match="at most 59 leave one to validate"):
        stages.obtain(make_config(data=data).data)


def test_a_stage_that_died_before_its_run_ended_is_run_again(
    workshop: Workshop, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, tracker = SweepIdentity("cut", "cut"), workshop.tracker
    model = apply(config, {"model.hidden_layer_sizes": [3, 5]})
    with monkeypatch.context() as patch:
        patch.setattr(TrackioRun, "finish", lambda self, *_: None)
        patch.setattr(TrackioRun, "summarize", lambda self, *_: None)
        stages.initialize(tracker, sweep, model)
    tracker.close_stale("cut")
    again = stages.initialize(tracker, sweep, model)
    assert not again.cached
    (run,) = tracker.runs("cut")
    assert (run.state, run.error, run.logged) == ("finished", None, (again.artifact.ref,))
    assert run.summary["artifact"] == again.artifact.ref


def test_the_data_sets_name_is_read_from_the_metadata(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    """In Trackio all versions of a name share one description; in W&B a person may change it."""
    raw = workshop.tracker.artifact("digits-raw:v0")
    assert raw.metadata["dataset"] == "digits"
    other = make_config(preprocess={"normalize": False, "expand_dims": True})
    changed = replace(raw, description="Our pictures")
    made = stages.preprocess(workshop.tracker, workshop.sweep, other, changed).artifact
    assert (made.description, made.metadata["dataset"]) == (
        "Preprocessed digits dataset",
        "digits",
    )


def test_a_version_of_an_earlier_raysweep_has_the_name_in_its_description(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    raw = workshop.tracker.artifact("digits-raw:v0")
    metadata = {key: value for key, value in raw.metadata.items() if key != "dataset"}
    other = make_config(preprocess={"normalize": False, "expand_dims": True})
    before = replace(raw, metadata=metadata)
    made = stages.preprocess(workshop.tracker, workshop.sweep, other, before).artifact
    assert made.metadata["dataset"] == "digits"


def test_convnet_is_the_built_in_networks_name_alone() -> None:
    assert stages.model_name({}) == "convnet"
    assert stages.model_name({"target": "nets:ResNet"}) == "resnet"
    assert stages.model_name({"target": "my_pkg.my_nets:ConvNet"}) == "my_nets-convnet"
    assert stages.model_name({"target": "my_nets:Outer.ConvNet"}) == "my_nets-convnet"
