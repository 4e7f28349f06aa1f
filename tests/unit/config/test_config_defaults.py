"""The schema's defaults, the files in configs/, and what importing the config costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from raysweep.config import Config, enumerate_trials, load_config
from raysweep.config.yaml import read_mapping

CONFIGS = Path(__file__).parents[3] / "configs"


def test_mnist_yaml_is_the_default_sweep() -> None:
    assert load_config(CONFIGS / "mnist.yaml") == Config() == load_config()


def test_mnist_yaml_spells_out_every_key() -> None:
    written, default = read_mapping(CONFIGS / "mnist.yaml"), Config().to_dict()
    assert written.keys() == default.keys()
    for section in default.keys() - {"sweep", "storage"}:
        assert written[section] == default[section]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_ready_config_gives_trials(path: Path) -> None:
    config = load_config(path)
    assert config.sweep.method == "bayes" or enumerate_trials(config)
    assert Config.from_dict(config.to_dict()) == config


def test_digits_yaml_is_small_and_needs_no_files() -> None:
    config = load_config(CONFIGS / "digits.yaml")
    assert config.data.dataset == "digits"
    assert [trial["learning_rate"] for trial in enumerate_trials(config)] == [
        0.001,
        0.003,
        0.01,
        0.03,
    ]


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().train.epochs = 5


def test_data_root_is_the_files_then_the_environments_then_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAYSWEEP_DATA", "/from/environment")
    monkeypatch.setenv("HOME", "/home/someone")
    named = Config.from_dict({"data": {"root": "~/data"}})
    assert named.data.resolved_root() == Path("/home/someone/data")
    assert Config().data.resolved_root() == Path("/from/environment")
    monkeypatch.delenv("RAYSWEEP_DATA")
    assert Config().data.resolved_root() == Path("data")


def test_every_field_has_a_docstring() -> None:
    sections = [Config.model_fields[name].default for name in Config.model_fields]
    for section in sections:
        for name, field in getattr(type(section), "model_fields", {}).items():
            assert field.description, f"{type(section).__name__}.{name}"


def test_the_config_imports_nothing_heavy() -> None:
    code = (
        "import sys, raysweep.config; raysweep.config.Config();"
        "print([name for name in ('torch', 'ray', 'numpy', 'wandb', 'trackio') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
