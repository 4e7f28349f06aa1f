"""The four parts of a sweep, called the same way whether built-in or of the user's own.

What one of the user's raises, or gives back that is not what it should be, is told in one line that
names it and where it was. Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from raysweep.config import (
    Config,
    DataConfig,
    DataTarget,
    EvaluateConfig,
    EvaluateTarget,
    ModelConfig,
    ModelTarget,
    Target,
    TrainConfig,
    TrainTarget,
)
from raysweep.config.explain import to_config_error
from raysweep.config.targets import section_of, where_raised
from raysweep.errors import ConfigError, RaysweepError
from raysweep.ml.networks import seeded
from raysweep.ml.protocols import EpochMetrics, Evaluation, Split, Splits, Trainer

Section = DataConfig | ModelConfig | TrainConfig | EvaluateConfig | Target


def load_data(data: DataConfig | DataTarget) -> Splits:
    """The whole data set. Raises ConfigError for a target that does not give one."""
    splits = _called("data", data)
    if not isinstance(splits, Splits):
        raise _not_what("data", data, splits, "raysweep.ml.protocols.Splits")
    for name in ("training", "validation", "test"):
        _check_split(f"{_named('data', data)}: its {name} split", getattr(splits, name))
    return splits


def make_network(model: ModelConfig | ModelTarget) -> nn.Module:
    """The untrained network, the same for the same section. Raises ConfigError for a target that
    gives none."""
    network = seeded(lambda: _called("model", model), model.seed)
    if not isinstance(network, nn.Module):
        raise _not_what("model", model, network, "torch.nn.Module")
    return network


def network_of(recorded: Mapping[str, Any]) -> nn.Module:
    """The same from a section as an artifact's metadata has it."""
    if "target" in recorded:
        try:
            section = section_of("model", recorded)
        except ValidationError as error:
            whose = f"model.target {recorded['target']}: "
            raise to_config_error(error, ModelTarget, lambda _: whose) from None
        assert isinstance(section, ModelTarget)
        return make_network(section)
    return make_network(ModelConfig.model_validate(recorded))


def make_trainer(
    train: TrainConfig | TrainTarget,
    model: nn.Module,
    data: tuple[Split, Split],
    seed: int,
    device: torch.device,
) -> Trainer:
    """A trainer of `model` on (training, validation). Raises ConfigError for a target that fails or
    lacks what a trainer has."""
    training, validation = data
    given = {"model": model, "training": training, "validation": validation}
    trainer: Trainer = _called("train", train, **given, seed=seed, device=device)
    needed = ("metrics", "model", "done", "epoch", "state_dict", "load_state_dict")
    if lacking := [name for name in needed if not hasattr(trainer, name)]:
        raise ConfigError(
            f"{_named('train', train)}: a {type(trainer).__name__} has no {lacking[0]}; "
            "see raysweep.ml.protocols.Trainer"
        )
    return trainer


def check_metrics(config: Config, last: object) -> EpochMetrics:
    """What an epoch ended with. Raises ConfigError unless it has every metric that was promised."""
    where = _named("train", config.train)
    if not isinstance(last, EpochMetrics):
        raise ConfigError(f"{where}: an epoch ends with {_shown(last)}; expected EpochMetrics")
    for name, value in last.values.items():
        if not isinstance(value, (int, float)):
            raise ConfigError(f"{where}: {name} is {_shown(value)}; expected a number")
    for name in config.goals():
        if name not in last.values:
            reported = ", ".join(last.values) or "nothing"
            raise ConfigError(
                f"{where}: an epoch reports no number for {name}, which is one of its metrics "
                f"(it reports {reported})"
            )
    return last


def evaluate(
    section: EvaluateConfig | EvaluateTarget, model: nn.Module, test: Split, device: torch.device
) -> Evaluation:
    """Score `model`. Raises ConfigError for a target that gives no Evaluation of numbers."""
    found = _called("evaluate", section, model=model, test=test, device=device)
    if not isinstance(found, Evaluation):
        raise _not_what("evaluate", section, found, "raysweep.ml.protocols.Evaluation")
    for name, score in found.scores.items():
        if not isinstance(score, (int, float)):
            raise _not_what("evaluate", section, score, f"a number for the score {name}")
    return found


def _called(name: str, section: Section, **given: Any) -> Any:
    with _told(name, section):
        return section.part()(**given, **section.params())


@contextmanager
def _told(name: str, section: Section) -> Iterator[None]:
    """Say whose exception it is. Those of the built-in parts say so themselves."""
    try:
        yield
    except RaysweepError:
        raise
    except Exception as error:
        if not isinstance(section, Target):
            raise
        raise ConfigError(f"{_named(name, section)}: raised {where_raised(error)}") from error


def _check_split(where: str, split: object) -> None:
    if not isinstance(split, Split):
        raise ConfigError(f"{where} is {_shown(split)}; expected raysweep.ml.protocols.Split")
    for part in ("x", "y"):
        tensor = getattr(split, part)
        if not isinstance(tensor, torch.Tensor) or tensor.dim() == 0:
            raise ConfigError(
                f"{where}: {part} is {_shown(tensor)}; expected a tensor whose first dimension "
                "counts the examples"
            )
    if len(split.x) != len(split.y):
        raise ConfigError(
            f"{where}: x has {len(split.x)} examples and y has {len(split.y)}; expected as many"
        )
    if not len(split):
        raise ConfigError(f"{where} is empty; expected at least 1 example")


def _not_what(name: str, section: Section, value: object, expected: str) -> ConfigError:
    return ConfigError(f"{_named(name, section)}: gave {_shown(value)}; expected {expected}")


def _named(name: str, section: Section) -> str:
    """`model.target my_pkg.nets:ResNet`, or the section alone where it is built-in."""
    return f"{name}.target {section.target}" if isinstance(section, Target) else name


def _shown(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
