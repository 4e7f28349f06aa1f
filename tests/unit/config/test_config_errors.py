"""Error messages: one line names the place, what was expected and what was found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysweep.config import Config, load_config
from raysweep.errors import ConfigError


def swept(name: str, method: str = "random", **parameter: Any) -> dict[str, Any]:
    sweep = {"method": method, "run_cap": 3, "parameters": {name: parameter}}
    return {"sweep": sweep}


def sweep(**keys: Any) -> dict[str, Any]:
    return {"sweep": {"method": "grid", "parameters": {}, **keys}}


KEYS: list[tuple[dict[Any, Any], str]] = [
    ({"trian": {}}, "trian: unknown key; did you mean train?"),
    ({"epochs": 3}, "epochs: unknown key; did you mean train.epochs?"),
    ({"train": {"epohcs": 3}}, "train.epohcs: unknown key; did you mean epochs?"),
    ({"data": {"zzz": 3}}, "data.zzz: unknown key; known keys here: dataset, root, train_size"),
    (sweep(metod="grid"), "sweep.metod: unknown key; did you mean method?"),
    (
        sweep(project="p") | {"tracking": {"project": "q"}},
        'sweep.project: the text "p", but tracking.project is the text "q"; leave one of them out',
    ),
    ({"sweep": {"parameters": {}}}, "sweep.method: missing"),
    (
        sweep(early_terminate={"type": "hyperband", "min_itr": 1}),
        "sweep.early_terminate.min_itr: unknown key; did you mean min_iter?",
    ),
    (
        swept("learning_rate", vaule=1),
        "sweep.parameters.learning_rate.vaule: unknown key; did you mean value?",
    ),
]

TYPES: list[tuple[dict[Any, Any], str]] = [
    ({"train": {"epochs": "3"}}, 'train.epochs: expected an integer, got the text "3"'),
    ({"train": {"epochs": 3.5}}, "train.epochs: expected an integer, got 3.5"),
    ({"train": {"epochs": 0}}, "train.epochs: expected at least 1, got 0"),
    ({"train": {"epochs": True}}, "train.epochs: expected an integer, got true"),
    ({"train": {"learning_rate": 0}}, "train.learning_rate: expected more than 0, got 0"),
    ({"train": {"shuffle": "yes"}}, 'train.shuffle: expected true or false, got the text "yes"'),
    ({"train": None}, "train: expected a mapping, got null"),
    ({"model": {"dropout": 1.0}}, "model.dropout: expected less than 1, got 1.0"),
    ({"model": {"dropout": float("nan")}}, "model.dropout: expected a finite number, got NaN"),
    ({"model": {"kernel_sizes": 3}}, "model.kernel_sizes: expected a list, got 3"),
    ({"model": {"kernel_sizes": [3, "a"]}}, "model.kernel_sizes[1]: expected an integer"),
    ({"model": {"kernel_sizes": [3, 3, 3]}}, "model.kernel_sizes: expected at most 2 item(s)"),
    ({"data": {"dataset": "../x"}}, "data.dataset: expected a name of letters and digits"),
    ({"resources": {"cpus": 1.5}}, "resources.cpus: expected auto, a fraction between 0 and 1"),
    ({"resources": {"cpus": 10**400}}, "resources.cpus: expected auto"),
    ({"resources": {"gpus": -1}}, "an integer from 0, got -1"),
    ({"resources": {"max_concurrent": 0}}, "expected auto or an integer from 1, got 0"),
    ({"tracking": {"promote": "never"}}, "expected one of always, if_better"),
    ({1: 2}, "expected text for a key, got 1"),
]

NAMES = [
    ({"train": {"optimizer": "adm"}}, 'unknown optimizer "adm"; did you mean Adam?'),
    ({"train": {"optimizer": "LBFGS"}}, "(all: raysweep.config.OPTIMIZERS)"),
    ({"model": {"activation": "relu"}}, 'unknown activation "relu"; did you mean ReLU?'),
    ({"train": {"schedule": "one_cycle"}}, "did you mean one-cycle?"),
    (
        sweep(metric={"name": "validation/acuracy"}),
        'sweep.metric.name: no trial reports "validation/acuracy"; did you mean '
        "validation/accuracy? (trials report train/loss, validation/loss, validation/accuracy)",
    ),
    (
        sweep(metric={"name": "validation/loss", "goal": "maximize"}),
        "sweep.metric.goal: validation/loss must be minimized (goal: minimize), got maximize",
    ),
    (
        swept("learning_rte", value=0.1),
        "sweep.parameters.learning_rte: unknown parameter; did you mean learning_rate?",
    ),
    (swept("dropout", value=0.1), "unknown parameter; did you mean model.dropout?"),
    (swept("model.dropuot", value=0.1), "unknown parameter; did you mean model.dropout?"),
    (
        swept("tracking.project", value="p"),
        "only fields of data, preprocess, model and train can be swept, not of tracking",
    ),
    (swept("data.root", value="p"), "data.root is fixed for the sweep"),
    (swept("data.train_sise", value=9), "did you mean data.train_size?"),
    (swept("preprocess.normalize", values=[True, "no"]), "expected true or false"),
    (
        swept("learning_rate", distribution="log_unifrom", min=1, max=2),
        "sweep.parameters.learning_rate.distribution: expected one of constant, categorical",
    ),
]

SPACES = [
    (swept("learning_rate", min=0.5, max=0.1), "learning_rate: min 0.5 is above max 0.1"),
    (swept("learning_rate", min=0.5), "learning_rate.max: missing; distribution uniform needs it"),
    (swept("learning_rate", min=None, max=0.1, q=0.1), "learning_rate.min: missing"),
    (swept("learning_rate"), "give value, values, or min and max, or name a distribution"),
    (swept("learning_rate", values=None), "give value, values, or min and max"),
    (swept("learning_rate", value=0.1, values=[0.1]), "distribution constant takes value, not"),
    (swept("learning_rate", min=0.0, max=0.1), "learning_rate.min: expected more than 0, got 0.0"),
    (swept("model.dropout", min=0.0, max=1.0), "model.dropout.max: expected less than 1, got 1.0"),
    (
        swept("batch_size", min=16, max=64, distribution="uniform"),
        "batch_size.distribution: uniform draws fractions, and batch_size takes integers; use "
        "int_uniform",
    ),
    (
        swept("epochs", min=1.5, max=4, distribution="int_uniform"),
        "epochs.min: expected an integer for int_uniform, got 1.5",
    ),
    (
        swept("optimizer", values=["Adam", "Foo"]),
        'sweep.parameters.optimizer.values[1]: unknown optimizer "Foo"',
    ),
    (swept("model.kernel_sizes", values=[[3], [3, "a"]]), "model.kernel_sizes.values[1]: expected"),
    (swept("learning_rate", values=[1, 1.0]), "learning_rate.values[1]: 1.0 is listed twice"),
    (swept("schedule", values=[None, "none"]), 'values[1]: the text "none" is listed twice'),
    (swept("epochs", values=[1, 2], probabilities=[1.0]), "expected one for each of the 2 values"),
    (swept("epochs", values=[1, 2], probabilities=[0.5, 0.4]), "expected a sum of 1, got 0.9"),
    (swept("learning_rate", min=0.1, max=0.2, q=0.3), "q: no multiple of 0.3 lies between"),
    (swept("learning_rate", min=0.1, max=0.2, q=0), "q: expected more than 0, got 0"),
    (swept("learning_rate", min=0, max=1, distribution="log_uniform_values"), "for its logarithm"),
    (swept("learning_rate", min=0, max=800, distribution="log_uniform"), "e to the power of 800"),
    (swept("learning_rate", mu=900, distribution="log_normal"), "e to the power of 910"),
    (swept("learning_rate", sigma=-1, distribution="normal"), "sigma: expected at least 0"),
    (
        swept("learning_rate", "grid", min=0.1, max=0.2),
        "method grid cannot list the values of 0.1 … 0.2; give values, or min, max and a",
    ),
    (
        swept("learning_rate", "grid", distribution="q_normal"),
        "method grid cannot list the values of normal, mu 0, sigma 1, in steps of 1; give",
    ),
    (swept("learning_rate", distribution="beta", a=0), "learning_rate.a: expected more than 0"),
    (swept("learning_rate", distribution="beta", mu=1), "beta takes a and b, not mu"),
    (
        swept("learning_rate", distribution="inv_log_uniform", min=0, max=800),
        "power of -800 is too",
    ),
    (sweep(method="random"), "sweep.run_cap: missing; method random never ends by itself"),
    (sweep(early_terminate={"type": "hyperband", "s": 2}), "give max_iter and s, or neither"),
    (sweep(early_terminate={"type": "hyperband", "s": 1}), "give max_iter and s, or neither"),
    (
        sweep(parameters={"epochs": {"value": 1}, "train.epochs": {"value": 2}}),
        "train.epochs: sets train.epochs, which the parameter epochs sets already",
    ),
]


@pytest.mark.parametrize(("document", "message"), KEYS + TYPES + NAMES + SPACES)
def test_a_mistake_is_reported_in_one_line(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_dict(document)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("document", [None, 3, [1], "text"])
def test_a_config_is_a_mapping(document: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config: expected a mapping of sections, got "):
        Config.from_dict(document)


ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    ATOMS, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(), deeper)
)


def _paths(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(node, dict):
        return [path]
    return [path, *(each for key, item in node.items() for each in _paths(item, (*path, key)))]


def _replaced(node: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**node, path[0]: _replaced(node[path[0]], path[1:], value)}


DEFAULT = load_config().to_dict()


@settings(deadline=None, max_examples=300)
@given(path=st.sampled_from(_paths(DEFAULT)[1:]), value=JSON)
def test_any_value_in_any_place_is_a_config_or_one_line(path: tuple[str, ...], value: Any) -> None:
    try:
        config = Config.from_dict(_replaced(DEFAULT, path, value))
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert Config.from_dict(config.to_dict()) == config
