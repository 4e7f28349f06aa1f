"""Messages quote what is written, and suggest what was probably meant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config, load_config, load_sweep
from raysweep.errors import ConfigError

PARTS = """
def net(lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.99), salt: int = 0, loose=None,
        on: bool = True, scale: float = 1.0): ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "meant_parts.py").write_text(PARTS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "meant_parts", raising=False)
    return tmp_path


def config(name: str, **parameter: Any) -> Config:
    return Config.from_dict(
        {"sweep": {"method": "random", "run_cap": 2, "parameters": {name: parameter}}}
    )


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        (
            {"distribution": "uniform", "min": 16, "max": 64},
            ".distribution: uniform draws fractions, and batch_size takes integers; use int_u",
        ),
        ({"distribution": "log_uniform_values", "min": 16, "max": 64}, "use q_log_uniform_values"),
        ({"distribution": "normal", "mu": 64, "sigma": 8}, "use q_normal"),
        (
            {"min": 16.0, "max": 64.0},
            "batch_size: min 16.0 and max 64.0 are a range of fractions, and batch_size takes "
            "integers; write min: 16, max: 64",
        ),
        (
            {"distribution": "q_log_uniform_values", "min": 32, "max": 256, "q": 32.0},
            "batch_size.q: multiples of 32.0 are floats, and batch_size takes integers; "
            "write q: 32",
        ),
        ({"min": 0, "max": 9}, "batch_size.min: expected at least 1, got 0"),
        (
            {"distribution": "q_uniform", "min": 0, "max": 9, "q": 4},
            "batch_size.min: expected at least 1, got 0",
        ),
        (
            {"distribution": "q_uniform", "min": -5, "max": 9, "q": 4},
            "batch_size.min: expected at least 1, got -4, which q_uniform computes from min -5",
        ),
    ],
)
def test_a_range_of_an_integer_field(parameter: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config("batch_size", **parameter)
    assert says in str(caught.value)


def test_a_value_that_nobody_wrote_says_where_it_comes_from() -> None:
    with pytest.raises(ConfigError) as caught:
        config("momentum", distribution="log_uniform", min=-3, max=1)
    came = (
        "momentum.max: expected less than 1, got 2.718281828459045, which log_uniform computes from"
    )
    assert f"{came} max 1" in str(caught.value)


def test_an_inverse_range_names_the_bound_that_was_written() -> None:
    with pytest.raises(ConfigError) as caught:
        config("momentum", distribution="inv_log_uniform", min=-1, max=3)
    assert "got 2.718281828459045, which inv_log_uniform computes from min -1" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "parameter", "says"),
    [
        (
            "weight_decay",
            {"min": 0, "max": 1},
            "weight_decay: the integers min 0 and max 1 mean 0 or 1 (int_uniform, as in W&B); "
            "for all numbers between them write min: 0.0, max: 1.0",
        ),
        (
            "learning_rate",
            {"distribution": "log_uniform", "min": 1e-6, "max": 0.01},
            "are exponents of e, as in W&B, so its range is 1 … 1.01005; if 1e-06 and 0.01 are the "
            "values themselves, use log_uniform_values",
        ),
    ],
)
def test_a_misleading_space_gets_a_notice(name: str, parameter: dict[str, Any], says: str) -> None:
    (line,) = config(name, **parameter).notices
    assert line.startswith(f"sweep.parameters.{name}: ")
    assert says in line


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("batch_size", {"min": 1, "max": 9}),
        ("weight_decay", {"min": 0.0, "max": 1.0}),
        ("weight_decay", {"distribution": "int_uniform", "min": 0, "max": 1}),
        ("learning_rate", {"distribution": "log_uniform", "min": -9, "max": -2}),
        ("learning_rate", {"distribution": "log_uniform", "min": 0.5, "max": 5}),
        ("learning_rate", {"distribution": "log_uniform_values", "min": 1e-6, "max": 0.01}),
    ],
)
def test_a_plain_space_gets_no_notice(name: str, parameter: dict[str, Any]) -> None:
    assert config(name, **parameter).notices == ()


def test_a_sweep_file_alone_gets_the_notice_too(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "method: random\nparameters: {opt: {parameters: {lr: {distribution: log_uniform, "
        "min: 0.001, max: 0.1}}}, steps: {min: 0, max: 1}}\n"
    )
    _, (line,) = load_sweep(file)
    assert line.startswith(f"{file}: parameters.opt.parameters.lr: min and max of log_uniform")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{lr: 0.1, on: true}", "line 1, column 45: the key on is true in YAML; put it in quotes"),
        ("{betas: [0.8]}", "model.betas: too short: item 2 of it is missing, got [0.8]"),
        (
            "{betas: [0.8, 0.9, 1.0]}",
            "model.betas: expected at most 2 item(s), got [0.8, 0.9, 1.0]",
        ),
        (f"{{salt: {2**128}}}", "model.salt: an integer beyond 64 bits"),
        (f"{{loose: {{a: [1, {-(2**63) - 1}]}}}}", "model.loose.a[1]: an integer beyond 64"),
    ],
)
def test_small_mistakes_in_a_part(folder: Path, text: str, says: str) -> None:
    file = folder / "sweep.yaml"
    file.write_text(f"model: {{target: 'meant_parts:net', {text[1:]}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("{model.betas: {values: [[0.9, 0.99], [0.8]]}}", "values[1]: too short: item 2 of it is"),
        ("{model.salt: {values: {a: 1}}}", "model.salt.values: expected a list, got a mapping"),
        (
            "{model.salt: {values: [1, 340282366920938463463374607431768211456]}}",
            "salt.values[1]: a",
        ),
        ("{model.salt: {min: 0, max: 99999999999999999999}}", "salt.max: an integer beyond 64"),
        ("{model.loose: {value: {a: 99999999999999999999}}}", "loose.value.a: an integer bey"),
        ("{off: {values: [1]}}", 'the key off is false in YAML; put it in quotes: "off"'),
    ],
)
def test_small_mistakes_in_a_space(folder: Path, parameters: str, says: str) -> None:
    file = folder / "sweep.yaml"
    file.write_text(
        f"model: {{target: 'meant_parts:net'}}\nsweep: {{method: grid, parameters: {parameters}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert says in str(caught.value)


def test_a_key_that_is_no_text_is_reported_at_its_mapping() -> None:
    with pytest.raises(ConfigError, match=r"^train: expected text for a key, got true$"):
        Config.from_dict({"train": {True: 1}})


def test_the_largest_integers_are_taken(folder: Path) -> None:
    file = folder / "sweep.yaml"
    file.write_text(
        f"model: {{target: 'meant_parts:net', salt: {2**63 - 1}, loose: [{-(2**63)}]}}\n"
    )
    assert load_config(file).model.params()["salt"] == 2**63 - 1
