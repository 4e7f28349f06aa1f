"""Files, sweep files and overrides: what they load to, and which of them an error names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysweep.config import Config, Constant, Uniform, load_config
from raysweep.config.yaml import parse_document
from raysweep.errors import ConfigError

SWEEP = "method: grid\nparameters: {learning_rate: {values: [1e-3, 1e-2]}}\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_what_the_user_wrote_is_kept_and_stays_a_config(tmp_path: Path) -> None:
    text = "# mine\ntrain: {epochs: 2}  # few"
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "sweep.yaml").write_text("method: grid\nparameters: {}\n")
    config = load_config(tmp_path / "mine.yaml", ["train.batch_size=32"], tmp_path / "sweep.yaml")
    assert config.given is not None
    assert config.given.splitlines() == [
        f"# {tmp_path / 'mine.yaml'}, as it was given",
        "# --set train.batch_size=32",
        *text.splitlines(),
        f"# sweep: {tmp_path / 'sweep.yaml'}",
        "#   method: grid",
        "#   parameters: {}",
    ]
    (tmp_path / "again.yaml").write_text(config.given)
    assert load_config(tmp_path / "again.yaml").train.epochs == 2
    assert load_config().given == "# no file: the default sweep, as it was given\n"
    alone = load_config(tmp_path / "sweep.yaml", count=2).given
    assert alone == (
        f"# {tmp_path / 'sweep.yaml'}, as it was given\n# --set sweep.run_cap=2\n"
        "method: grid\nparameters: {}\n"
    )
    mapping = {"train": {"epochs": 1}, "storage": "x"}
    assert Config.from_dict(mapping).given == "train:\n  epochs: 1\nstorage: x\n"
    assert Config().given is None


def message(*args: object, **kwargs: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(*args, **kwargs)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5e1", 5.0),
        ("0.1", 0.1),
        ("12", 12),
        ("e3", "e3"),
        ("1e", "1e"),
        ("v1e3", "v1e3"),
    ],
)
def test_numbers_with_an_exponent_are_numbers(text: str, value: object) -> None:
    parsed = parse_document(text, "text").value
    assert parsed == value
    assert type(parsed) is type(value)


def test_a_merge_key_is_no_duplicate() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}"
    assert parse_document(text, "text").value["b"] == {"x": 3, "y": 2}


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "a.yaml", "train: {epochs: 2, schedule: null}"))
    assert config.train == Config().train.model_copy(update={"epochs": 2, "schedule": "none"})
    assert config.sweep == Config().sweep


def test_a_sweep_in_the_file_replaces_the_default_whole(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "a.yaml", "sweep: {method: grid, parameters: {}}"))
    assert config.sweep.run_cap is None
    assert config.sweep.early_terminate is None
    assert config.sweep.parameters == {}


def test_a_sweep_path_is_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "it's here").mkdir()
    write(tmp_path / "it's here", "s.yaml", SWEEP)
    file = write(tmp_path / "it's here", "a.yaml", "sweep: s.yaml")
    assert load_config(file).sweep.method == "grid"
    monkeypatch.chdir(tmp_path / "it's here")
    assert Config.from_dict({"sweep": "s.yaml"}).sweep == load_config(file).sweep


def test_an_existing_wandb_sweep_is_taken_as_it_is(tmp_path: Path) -> None:
    text = "program: train.py\ncommand: [python, '${program}']\nname: old\n" + SWEEP
    text += "\nmetric: {name: loss}"
    config = load_config(sweep_file=write(tmp_path, "s.yaml", text))
    assert (config.kind, config.sweep.name) == ("program", "old")
    assert config.sweep.metric.goal == "minimize"


def test_the_sweep_file_wins_over_the_files_sweep(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", "sweep: nowhere.yaml\ntrain: {epochs: 1}")
    config = load_config(file, sweep_file=write(tmp_path, "s.yaml", SWEEP))
    assert (config.sweep.method, config.train.epochs) == ("grid", 1)


def test_overrides_are_yaml_and_the_last_one_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", "train: {epochs: 2}")
    overrides = [
        "train.epochs=3",
        "train.epochs=5",
        "train.weight_decay=1e-3",
        "model.kernel_sizes=[5, 3]",
        "storage=",
        "storage=a=b",
    ]
    config = load_config(file, overrides)
    assert (config.train.epochs, config.train.weight_decay) == (5, 1e-3)
    assert config.model.kernel_sizes == (5, 3)
    assert config.storage == "a=b"


def test_overrides_reach_into_the_default_sweep() -> None:
    config = load_config(
        overrides=[
            "sweep.run_cap=2",
            "sweep.parameters.learning_rate.max=0.015",
            "sweep.parameters.model.dropout={value: 0.1}",
            "sweep.parameters.label_smoothing={value: 0.2}",
            "sweep.early_terminate=null",
        ]
    )
    assert config.sweep.run_cap == 2
    assert config.sweep.early_terminate is None
    assert config.sweep.space() == {
        "learning_rate": Uniform(0.005, 0.015, log=True),
        "label_smoothing": Constant(0.2),
        "model.dropout": Constant(0.1),
    }


def test_an_override_that_the_sweep_would_undo_is_refused() -> None:
    text = message(overrides=["train.learning_rate=1e-2"])
    assert "--set train.learning_rate=1e-2: has no effect, since the sweep sets it" in text
    assert "use --set 'sweep.parameters.learning_rate={value: 1e-2}'" in text


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs", "--set train.epochs: expected KEY=VALUE, such as train.epochs=3"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("train..epochs=3", "--set train..epochs=3: expected KEY=VALUE"),
        ("train.epohcs=3", "--set train.epohcs=3: train.epohcs: unknown key; did you mean epochs?"),
        ("trian.epochs=3", "--set trian.epochs=3: trian: unknown key; did you mean train?"),
        ("train.epochs=x", "--set train.epochs=x: train.epochs: expected an integer"),
        ("train.epochs.x=3", "--set train.epochs.x=3: epochs holds 2, which has no keys to set"),
        ("train.epochs=[", "--set train.epochs=[, line 1, column 2: not YAML: "),
        (
            "sweep.parameters.model.dropout.values=[2]",
            "--set sweep.parameters.model.dropout.values=[2]: "
            "sweep.parameters.model.dropout.values[0]: expected less than 1, got 2",
        ),
    ],
)
def test_a_bad_override_is_named(tmp_path: Path, override: str, expected: str) -> None:
    file = write(tmp_path, "a.yaml", "train: {epochs: 2}")
    assert message(file, [override]).startswith(expected)


def test_an_error_names_the_file_that_it_is_in(tmp_path: Path) -> None:
    good = write(tmp_path, "good.yaml", "train: {epochs: 2}")
    bad = write(tmp_path, "bad.yaml", "train: {epohcs: 2}")
    sweep = write(tmp_path, "s.yaml", "method: gird\nparameters: {}")
    assert message(bad) == f"{bad}: train.epohcs: unknown key; did you mean epochs?"
    assert message(bad, ["train.epochs=3"]).startswith(f"{bad}: train.epohcs: ")
    assert message(good, sweep_file=sweep).startswith(f"{sweep}: sweep.method: expected one of ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": expected a mapping of keys to values, got nothing"),
        (b"- 1\n- 2\n", ": expected a mapping of keys to values, got [1, 2]"),
        (b"train: [1, 2\nx: 3", ", line 2, column 2: not YAML: "),
        (b"train:\n\tepochs: 3", ", line 2, column 1: not YAML: "),
        (b"train: {epochs: 1}\ntrain: {seed: 1}", "line 2, column 1: not YAML: the key train is"),
        (b"\x89PNG\r\n\x1a\n", ": not a text file (byte 0 is not UTF-8); a config is YAML"),
        (b"a\x00b", ": not YAML: unacceptable character"),
        (b"a: 1\n---\nb: 2\n", ", line 2, column 1: not YAML: "),
        (b"a: 2024-13-45", ": not YAML: month must be in 1..12"),
        (b"train: &t {epochs: *t}", ": train.epochs: expected an integer, got a mapping"),
        (b"train: {epochs: &t [*t]}", ": train.epochs: expected an integer, got a list"),
        (b"a: !!python/object/apply:os.getcwd []", ": not YAML: could not determine a constructor"),
        (b"[1, 2]: 3", ", line 1, column 1: not YAML: found unhashable key"),
        (b"[" * 5000, ": nested too deeply for a config"),
    ],
)
def test_a_file_that_is_no_config_is_explained(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    text = message(path)
    assert text.startswith(str(path))
    assert expected in text


def test_a_missing_file_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message(Path("a.yaml")) == f"a.yaml: no such file, looked for in {tmp_path}"


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_explained(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "{}")
    path.chmod(0)
    assert message(path) == f"{path}: cannot be read: Permission denied"
