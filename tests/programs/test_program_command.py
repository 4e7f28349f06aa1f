"""A trial's command line: W&B's macros, held against the code of W&B's own agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps import utils
from wandb.wandb_agent import Agent

from raysweep.trials.program.folder import workdir
from raysweep.trials.program.process import command

VALUES = {
    "lr": 0.001,
    "epochs": 3,
    "one": 1,
    "zero": 0,
    "yes": True,
    "no": False,
    "none": None,
    "name": "a b'c",
    "sizes": [1, 2],
    "model": {"width": 8, "layers": {"first": 1.0}},
    "dotted.name": 1e-05,
}


def agents(words: list[Any], values: dict[str, Any], json_file: Path) -> list[str]:
    """The command line that W&B's agent makes, but for its interpreter `python`."""
    said = utils.create_sweep_command(list(words))
    made = utils.create_sweep_command_args({"args": {k: {"value": v} for k, v in values.items()}})
    made |= {"interpreter": ["PYTHON"], "program": ["train.py"], "env": ["/usr/bin/env"]}
    made["args_json_file"] = [str(json_file)]
    line: list[str] = []
    for word in map(str, said):
        is_macro = word.startswith("${") and word.endswith("}")
        line += (made.get(word[2:-1]) or []) if is_macro else [word]
    return line


def test_the_default_command_is_the_agents():
    assert list(command.DEFAULT) == Agent.DEFAULT_SWEEP_COMMAND == utils.DEFAULT_SWEEP_COMMAND


@pytest.mark.parametrize("macro", command.MACROS)
def test_each_macro_expands_as_the_agents(macro, tmp_path):
    words = ["a", f"${{{macro}}}", "b"]
    file = tmp_path / "args.json"
    assert command.expand(words, "train.py", VALUES, file, "PYTHON") == agents(words, VALUES, file)
    assert file.exists() == (macro == "args_json_file")
    if file.exists():
        assert json.loads(file.read_text()) == VALUES


@pytest.mark.parametrize(
    "words",
    [
        ["${envvar:HERE}/x", "--a=${envvar:HERE}${envvar:NOT_THERE}", "${envvar:NOT_THERE}"],
        ["--flag=${args}", "${program}x", "$HOME", "$(pwd)", "a b", ""],
        ["torchrun", "--nproc_per_node=2", "${program}", "${args}"],
        ["python", "-m", "pkg.mod", "${args_no_hyphens}"],
    ],
)
def test_other_words_are_the_agents(words, tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", "here")
    file = tmp_path / "args.json"
    assert command.expand(words, "train.py", VALUES, file, "PYTHON") == agents(words, VALUES, file)


def test_an_unknown_macro_is_found():
    assert command.unknown_macro(["${env}", "${envvar:X}", "${args_yaml}"]) == "${args_yaml}"
    assert command.unknown_macro(["--x=${not}", *command.DEFAULT]) is None


def test_values_are_nested_as_the_file_nests_them():
    values = {"model.width": 8, "model.deep.er": True, "dotted.name": 1, "lr": None}
    paths = [("model", "width"), ("model", "deep", "er")]
    assert command.nested(values, paths) == {
        "model": {"width": 8, "deep": {"er": True}},
        "dotted.name": 1,
        "lr": None,
    }


def test_a_trials_folder_is_its_own_and_keeps_what_was_written(tmp_path, monkeypatch):
    users, own = tmp_path / "users", tmp_path / "trials" / "trial-0000"
    for name in ("data", "wandb", "runs", "__pycache__", ".git"):
        (users / name).mkdir(parents=True)
    (users / "train.py").write_text("1")
    (users / "model.pth").write_text("of an earlier run")
    (users / "large.bin").write_bytes(bytes(1000))
    monkeypatch.setattr(workdir, "MOST_COPIED_BYTES", 500)
    workdir.make(own, users, storage=(users / "runs").resolve())
    links = {path.name: path.is_symlink() for path in own.iterdir()}
    assert links == {
        ".git": True,
        "data": True,
        "large.bin": True,
        "train.py": False,
        "model.pth": False,
    }
    assert (own / "train.py").read_text() == "1"
    (own / "model.pth").write_text("weights")
    (own / "wandb").mkdir()
    workdir.drop_users(own, users, lambda _: [])
    assert (users / "model.pth").read_text() == "of an earlier run"
    assert [path.name for path in own.iterdir()] == ["model.pth"]
    workdir.make(own, users, storage=None)  # started again: nothing of the first try is left
    assert (own / "model.pth").read_text() == "of an earlier run"
    workdir.drop_users(own, users, lambda _: [])
    assert not own.exists()
    assert sorted(path.name for path in users.iterdir()) == [
        ".git",
        "__pycache__",
        "data",
        "large.bin",
        "model.pth",
        "runs",
        "train.py",
        "wandb",
    ]


def test_no_worker_imports_wandbs_agent():
    source = Path(command.__file__).read_text()
    assert "import wandb" not in source
    assert "from wandb" not in source
