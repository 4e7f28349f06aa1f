"""Nested parameters, the keys beside them, and notices that are no errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config, SweepConfig, Uniform, load_config, load_sweep
from raysweep.errors import ConfigError


def write(folder: Path, text: str, name: str = "s.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_sweep(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


NESTED = """
method: random
run_cap: 2
parameters:
  learning_rate: {min: 0.1, max: 0.2}
  model:
    parameters:
      dropout: {min: 0.1, max: 0.3}
      deep: {parameters: {deeper: {parameters: {deepest: {value: 1}}}, "a.b": {value: 2}}}
  model.seed: {value: 3}
"""


def test_groups_to_any_depth_are_dotted_names_in_the_files_order(tmp_path: Path) -> None:
    sweep, _ = load_sweep(write(tmp_path, NESTED))
    assert list(sweep.parameters) == [
        "learning_rate",
        "model.dropout",
        "model.deep.deeper.deepest",
        "model.deep.a.b",
        "model.seed",
    ]
    assert SweepConfig.model_validate(sweep.model_dump(mode="json")) == sweep


def test_a_nested_parameter_sets_its_field_and_can_be_overridden(tmp_path: Path) -> None:
    text = (
        "method: random\nrun_cap: 1\n"
        "parameters: {model: {parameters: {dropout: {min: 0.1, max: 0.3}}}}"
    )
    path = write(tmp_path, text)
    for key in ("model.dropout.max", "model.parameters.dropout.max"):
        config = load_config(sweep_file=path, overrides=[f"sweep.parameters.{key}=0.2"])
        assert config.sweep.space() == {"model.dropout": Uniform(0.1, 0.2)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            "{a: {parameters: {lr: {min: 2, max: 1}}}}",
            "parameters.a.parameters.lr: min 2 is above max 1",
        ),
        (
            "{a: {parameters: {lr: {mim: 2}}}}",
            "parameters.a.parameters.lr.mim: unknown key; did you mean min?",
        ),
        (
            "{a: {parameters: {lr: {value: 1}}, distribution: uniform}}",
            "parameters.a.distribution: beside `parameters`, which makes a a group",
        ),
        ("{a: {parameters: {}}}", "parameters.a.parameters: a group without parameters"),
        ("{a: {parameters: 3}}", "parameters.a.parameters: expected a mapping of parameters"),
        (
            "{a.b: {value: 1}, a: {parameters: {b: {value: 2}}}}",
            "parameters.a.parameters.b: a.b is given twice, nested and dotted",
        ),
        ("{a: {parameters: {1: {value: 2}}}}", "expected text for a key, got 1"),
        ("&p {a: {parameters: *p}}", "does the file contain itself?"),
        ("{a: {values: [2024-01-01]}}", "parameters.a.values[0]: expected text, a number"),
        ("{a: {value: .inf}}", "parameters.a.value: expected text, a number"),
        (
            "{a: {b: {value: 1}}}",
            "parameters.a: has no parameters; parameters of a group",
        ),
        ("{a: 3}", "parameters.a: expected a mapping, got 3"),
    ],
)
def test_a_mistake_in_a_group_is_reported_where_it_is_written(
    tmp_path: Path, parameters: str, message: str
) -> None:
    text = f"method: random\nrun_cap: 1\nparameters: {parameters}"
    assert message in complaint(write(tmp_path, text))


def test_a_nested_parameter_that_is_no_field_is_reported_where_it_is_written(
    tmp_path: Path,
) -> None:
    text = "method: grid\nparameters: {model: {parameters: {droput: {value: 0.1}}}}"
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(sweep_file=path)
    assert str(caught.value) == (
        f"{path}: sweep.parameters.model.parameters.droput: "
        "unknown parameter; did you mean model.dropout?"
    )


def test_a_sweep_names_the_project_where_the_config_does_not() -> None:
    sweep = {"method": "grid", "parameters": {}, "project": "p", "entity": "e"}
    config = Config.from_dict({"sweep": sweep, "tracking": {"tags": ["a"], "entity": "e"}})
    assert (config.tracking.project, config.tracking.entity) == ("p", "e")
    assert config.tracking.tags == ("a",)
    assert "project" in config.tracking.model_fields_set, "as if it stood there: it beats the env"
    assert Config.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r"sweep\.entity: the text \"e\", but tracking\.entity"):
        Config.from_dict({"sweep": sweep, "tracking": {"entity": "f"}})


TOLD: list[tuple[str, list[str]]] = [
    ("parameters: {a: {values: [1, 2]}}", []),
    (
        "program: t.py\nkind: sweep\njob: j\nmetric: {name: loss}\nparameters: {}",
        ["kind: not used, nor job: only W&B's own agents read that"],
    ),
    (
        "metric: {name: train/loss, impute: worst, impute_while_running: latest}\nparameters: {}",
        [
            "metric.impute: not used: a trial without the metric has failed",
            "metric.impute_while_running: not used: a trial without the metric has failed",
        ],
    ),
    (
        'parameters: {g: {parameters: {a: {values: ["0.1", 0.2, "1e-3", -4]}}}}',
        ['parameters.g.parameters.a.values: "0.1", "1e-3" beside numbers: texts, taken as numbers'],
    ),
    ('parameters: {a: {values: ["1", "2"]}, b: {values: ["x", true]}}', []),
    (
        "parameters: {a: {value: off}, b: {values: [No, yes, 'on', true]}}",
        [
            "parameters.a.value: in YAML off is false; put a word in quotes to keep it",
            "parameters.b.values: in YAML No is false, yes is true; "
            "put a word in quotes to keep it",
        ],
    ),
]


@pytest.mark.parametrize(("text", "told"), TOLD)
def test_misleading_values_get_a_notice_and_no_error(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    path = write(tmp_path, f"method: grid\n{text}")
    _, notices = load_sweep(path)
    assert list(notices) == [f"{path}: {each}" for each in told]


def test_text_numerals_beside_numbers_are_numbers_of_their_type(tmp_path: Path) -> None:
    text = 'method: grid\nparameters: {a: {values: ["0.1", 2, "3", "1e-3", "x", ".5", "1_0"]}}'
    sweep, _ = load_sweep(write(tmp_path, text))
    values: Any = sweep.parameters["a"].values
    assert values == (0.1, 2, 3, 1e-3, "x", 0.5, "1_0")
    assert type(values[2]) is int


def test_a_configs_notices_travel_with_it_and_are_no_part_of_it(tmp_path: Path) -> None:
    text = 'sweep: {method: grid, kind: x, parameters: {learning_rate: {values: ["0.1", 0.2]}}}'
    path = write(tmp_path, text)
    config = load_config(path, ["sweep.parameters.shuffle={value: off}"])
    assert config.notices == (
        f"{path}: sweep.kind: not used: only W&B's own agents read that",
        f"{path}: sweep.parameters.learning_rate.values: "
        '"0.1" beside numbers: text, taken as a number',
        "--set sweep.parameters.shuffle={value: off}: sweep.parameters.shuffle.value: "
        "in YAML off is false; put a word in quotes to keep it",
    )
    again = Config.from_dict(config.to_dict())
    assert again == config
    assert again.notices == ()
    assert config.model_copy(update={"storage": "x"}).notices == config.notices


def test_a_replaced_word_gets_no_notice(tmp_path: Path) -> None:
    path = write(tmp_path, "sweep: {method: grid, parameters: {shuffle: {values: [yes]}}}")
    assert len(load_config(path).notices) == 1
    assert load_config(path, ["sweep.parameters.shuffle.values=[false]"]).notices == ()


def test_a_replaced_sweep_gets_no_notice(tmp_path: Path) -> None:
    path = write(tmp_path, "sweep: {method: grid, parameters: {shuffle: {value: yes}}}", "c.yaml")
    other = write(tmp_path, "method: grid\nparameters: {shuffle: {value: true}}")
    assert load_config(path, sweep_file=other).notices == ()


def test_a_sweep_for_another_program_may_lack_a_cap_and_name_any_metric(tmp_path: Path) -> None:
    text = "method: bayes\nmetric: {name: val/f1}\nparameters: {x: {distribution: normal}}"
    sweep, _ = load_sweep(write(tmp_path, text))
    assert sweep.run_cap is None
    assert (sweep.metric.name, sweep.metric.goal) == ("val/f1", "minimize")
