"""Files that a program leaves without an artifact: they stay, and `best --download` has them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.cli.main import main

from sweeps import one_process

SWEEP = """
program: train.py
method: grid
metric: {name: loss}
parameters: {lr: {values: [2, 1]}}
"""

SAVING = """
import os, wandb

run = wandb.init()
run.log({"loss": run.config.lr, "page": wandb.Html("<p>"), "t": wandb.Table(["a"], [[1]])})
for name in ("model.pt", "sub/deep.pt", "saved.h5", "named.h5"):
    path = os.path.join(run.dir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(f"{name} {run.config.lr}")
wandb.save(os.path.join(run.dir, "saved.h5"))
wandb.save(os.path.join(run.dir, "named.h5"), base_path=run.dir)
open("beside.txt", "w").write("beside")
wandb.save("beside.txt")
run.finish()
with wandb.init(mode="offline") as offline:
    offline.log({"x": 1})
"""

WRITING = """
import wandb

with wandb.init() as run:
    run.log({"loss": run.config.lr})
    open("model.pth", "w").write(str(run.config.lr))
"""

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("sweep.yaml").write_text(SWEEP)

    def command(*words: str) -> int:
        with one_process():
            return main([*words, "--storage", "kept"])

    return command


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def promotion() -> str:
    line: str = json.loads(Path("kept/mine/result.json").read_text())["promotion"]
    return line


def test_what_a_program_wrote_into_the_runs_folder_stays_once(run: Run) -> None:
    Path("train.py").write_text(SAVING)
    assert run("run", "sweep.yaml", "--name", "mine") == 0
    own = Path("kept/mine/trials/trial-0001")
    (offline,) = own.glob("wandb/offline-run-*")
    assert list(offline.glob("*.wandb")), "nobody else has it; `wandb sync` can send it"
    shutil.rmtree(offline)
    (files,) = own.glob("wandb/*/files")
    assert files.parent.name.startswith("run-")
    assert files_below(files) == {"model.pt", "sub/deep.pt"}, "the tracker has the others"
    assert files_below(own) - files_below(files) == {
        "beside.txt",
        *(f"{files.relative_to(own)}/{name}" for name in ("model.pt", "sub/deep.pt")),
    }
    assert promotion().endswith("`best --download` copies the files that it saved")
    assert run("best", "mine", "--download", "best") == 0
    names = {"model.pt", "sub/deep.pt", "files/saved.h5", "named.h5", "beside.txt"}
    assert files_below(Path("best")) == names
    assert Path("best/model.pt").read_text() == "model.pt 1"
    assert Path("best/named.h5").read_text() == "named.h5 1"
    assert os.access("best/model.pt", os.W_OK)


def test_without_such_files_the_trials_folder_is_copied(run: Run) -> None:
    Path("train.py").write_text(WRITING)
    assert run("run", "sweep.yaml", "--name", "mine") == 0
    assert files_below(Path("kept/mine/trials")) == {"trial-0000/model.pth", "trial-0001/model.pth"}
    assert promotion().endswith("`best --download` copies what it left in its folder")
    assert run("best", "mine", "--download", "best") == 0
    assert files_below(Path("best")) == {"model.pth"}
    assert Path("best/model.pth").read_text() == "1"


def test_a_winner_without_any_file_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("train.py").write_text("import wandb\nr = wandb.init()\nr.log({'loss': r.config.lr})\n")
    assert run("run", "sweep.yaml", "--name", "mine") == 0
    assert promotion() == (
        "the winner logged no artifact of type model, so nothing is tagged best; "
        "it saved no file, either"
    )
    assert run("best", "mine", "--download", "best") == 2
    assert "trial-0001, logged no model, and no file" in capsys.readouterr().err


def test_links_of_somebody_else_copy_nothing_from_elsewhere(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("train.py").write_text(WRITING)
    assert run("run", "sweep.yaml", "--name", "mine") == 0
    (secret := Path("secret").resolve()).mkdir()
    (secret / "key").write_text("of the user")
    own = Path("kept/mine/trials/trial-0001")
    place = own / "wandb" / f"run-1-{json.loads(Path('kept/mine/sweep.json').read_text())['id']}"
    place = place.with_name(f"{place.name}-trial-0001")
    (place / "files").mkdir(parents=True)
    (place / "files" / "model.pt").write_text("1")
    (place / "files" / "key").symlink_to(secret / "key")
    (place / "files" / "more").symlink_to(secret)
    assert run("best", "mine", "--download", "best") == 0
    assert files_below(Path("best")) == {"model.pt"}
    shutil.rmtree(own)
    own.symlink_to(secret)
    capsys.readouterr()
    assert run("best", "mine", "--download", "again") == 2
    assert not Path("again").exists()
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
