"""A sweep that cannot be resumed is refused in one line, and left unchanged."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from raysweep import resume_sweep, run_sweep
from raysweep.cli.main import main
from raysweep.errors import Interrupted, UserError
from raysweep.events import Event, TrialUpdated

from sweeps import HAS_LOCAL_MODE, digits, grid

LABELS = "FashionMNIST/raw/train-labels-idx1-ubyte"

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]


@pytest.fixture(scope="module")
def stopped(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with a sweep that was stopped after the first epoch of its second trial."""
    storage = tmp_path_factory.mktemp("stopped") / "runs"
    cut(digits(grid(learning_rate=[0.01, 0.03]), model={"hidden_layer_sizes": [2, 4]}), storage)
    return storage


def cut(config: dict[str, object], storage: Path) -> None:
    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated) and (event.index, event.epoch) == (1, 1):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run_sweep(config, name="mine", storage=storage, observer=watch)


@pytest.fixture
def storage(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it, which a test may damage."""
    return Path(shutil.copytree(stopped, tmp_path / "runs"))


def contents(storage: Path) -> dict[str, bytes]:
    """Return the sweep's files, without the lock."""
    files = [path for path in (storage / "mine").rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in files if path.name != "running.lock"}


def changed_config(storage: Path) -> None:
    path = storage / "mine" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["train"]["epochs"] = 5
    del config["model"]["dropout"]
    path.write_text(yaml.safe_dump(config))


def without_a_journal(storage: Path) -> None:
    (storage / "mine" / "journal.jsonl").unlink()


def with_a_damaged_journal(storage: Path) -> None:
    path = storage / "mine" / "journal.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], *lines[2:], ""]))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (changed_config, r"config\.yaml: .* \(model\.dropout: 0\.25, now None; train\.epochs: 2, "),
        (without_a_journal, r"stopped before it had started.*remove the folder and run it again"),
        (with_a_damaged_journal, r"journal\.jsonl, line 2: is damaged"),
    ],
)
def test_a_changed_or_damaged_sweep(
    spoil: Callable[[Path], None], says: str, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(storage)
    before = contents(storage)
    assert main(["resume", "--storage", str(storage)]) == 2
    said = capsys.readouterr().err
    assert re.search(says, said), said
    assert len(said.splitlines()) == 1
    assert contents(storage) == before


def change_a_label(root: Path) -> bytes:
    """Change a label in the miniature FashionMNIST. Return the file's earlier content."""
    labels = root / LABELS
    before = labels.read_bytes()
    labels.write_bytes(before[:-1] + bytes([(before[-1] + 1) % 10]))
    return before


def test_other_data(tmp_path: Path, mini_fashion: Path) -> None:
    config = digits(grid(learning_rate=[0.01, 0.03]), model={"hidden_layer_sizes": [2, 4]})
    config["data"] = {"dataset": "FashionMNIST", "root": str(mini_fashion), "train_size": 200}
    storage = tmp_path / "runs"
    cut(config, storage)
    change_a_label(mini_fashion)
    with pytest.raises(UserError, match="the files of FashionMNIST are not those that"):
        resume_sweep(storage=storage)
    shutil.rmtree(mini_fashion)
    result = resume_sweep(storage=storage)
    assert result.trials.completed == 2, "no raw files are needed: the tracker has what they gave"


def test_other_data_where_data_is_swept(tmp_path: Path, mini_fashion: Path) -> None:
    sweep = {"method": "grid", "parameters": {"data.train_size": {"values": [150, 200]}}}
    config = digits(sweep, model={"hidden_layer_sizes": [2, 4]})
    config["data"] = {"dataset": "FashionMNIST", "root": str(mini_fashion)}
    storage = tmp_path / "runs"
    cut(config, storage)
    before = change_a_label(mini_fashion)
    with pytest.raises(UserError, match="the files of FashionMNIST are not those that"):
        resume_sweep(storage=storage)
    (mini_fashion / LABELS).write_bytes(before)
    assert resume_sweep(storage=storage).trials.completed == 2


def test_a_second_driver(storage: Path) -> None:
    with (
        FileLock(storage / "mine" / "running.lock"),
        pytest.raises(UserError, match="is still running in another process"),
    ):
        resume_sweep(storage=storage)


def test_one_that_has_ended(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume_sweep(storage=storage)
    before = contents(storage)
    assert main(["resume", "--storage", str(storage)]) == 0
    assert capsys.readouterr().err == "mine has ended already: nothing is left to do\n"
    assert contents(storage) == before
    with pytest.raises(UserError, match="has ended"):
        resume_sweep(storage=storage)


def test_none_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sweep in"):
        resume_sweep(storage=tmp_path)
