"""Call the four parts of a sweep (data, model, train, evaluate), built-in or the user's own.

If the user's part raises, or returns something unexpected, the error is one line that names the
part and the place. Needs torch.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from raysweep.cluster.signals import is_interrupt
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
from raysweep.config.failure import code_failed
from raysweep.config.raised import passed_own_code, where_raised
from raysweep.config.targets import section_of
from raysweep.errors import ConfigError, DataError, RaysweepError
from raysweep.ml.networks import lazy_modules, materialize, seeded
from raysweep.ml.protocols import BatchLoss, EpochMetrics, Evaluation, Split, Splits, Trainer
from raysweep.ml.weights import save_weights
from raysweep.stages.plain import plain_number, plain_pictures, plain_table, unreadable

Section = DataConfig | ModelConfig | TrainConfig | EvaluateConfig | Target


def load_data(data: DataConfig | DataTarget) -> Splits:
    """Load the whole data set. Raises ConfigError for a target that does not return one."""
    splits = _called("data", data)
    if not isinstance(splits, Splits):
        raise _not_what("data", data, splits, "raysweep.ml.protocols.Splits")
    for name in ("training", "validation", "test"):
        _check_split(f"{_named('data', data)}: its {name} split", getattr(splits, name))
    return splits


def make_network(model: ModelConfig | ModelTarget) -> nn.Module:
    """Create the untrained network, the same for the same section. Raises ConfigError for a target
    that returns none."""
    network = seeded(lambda: _called("model", model), model.seed)
    if not isinstance(network, nn.Module):
        raise _not_what("model", model, network, "torch.nn.Module")
    return network


def untrained_weights(
    model: ModelConfig | ModelTarget, example: Callable[[], torch.Tensor | None], path: Path
) -> None:
    """Write the weights of the untrained network to `path`.

    Lazy modules take their sizes from `example()`: an example of the data, (1, …), or None where
    the trials use different data. Raises ConfigError for a network whose weights cannot be created,
    or not be loaded again.
    """
    network, where = make_network(model), _named("model", model)
    if lazy := lazy_modules(network):
        given = example()
        if given is None:
            raise ConfigError(
                f"{where}: {lazy[0]} takes its size from the data, which is swept, too; "
                "give the size itself, as nn.Linear and its kin have it"
            )
        with _name_the_part("model", model):
            materialize(network, given, model.seed)
        if lazy := lazy_modules(network):
            raise ConfigError(
                f"{where}: {lazy[0]} has no size after an example went through the network, "
                "which does not use it; remove it, or give its size"
            )
    try:
        save_weights(network.state_dict(), path)
    except DataError as error:
        raise ConfigError(
            f"{where}: no trial could read the state that its modules keep besides their weights "
            f"(get_extra_state), which holds more than tensors, numbers, text, lists and dicts "
            f"({unreadable(error.__cause__ or error)}); give it those alone"
        ) from error


def network_of(recorded: Mapping[str, Any]) -> nn.Module:
    """Create the untrained network from the `model` section in an artifact's metadata."""
    if "target" in recorded:
        try:
            section = section_of("model", recorded)
        except ValidationError as error:
            prefix = f"model.target {recorded['target']}: "
            raise to_config_error(error, ModelTarget, lambda _: prefix) from None
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
    """Create a trainer of `model` on `data`: (training, validation). Raises ConfigError for a
    target that fails, or whose trainer lacks an attribute of the protocol."""
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


def events_of(config: Config, trainer: Trainer) -> Iterator[BatchLoss | EpochMetrics]:
    """Train an epoch. Yield what `trainer` yields, with plain numbers; the last is its
    EpochMetrics.

    Raises ConfigError where it yields anything else, or lacks a metric that the config names. An
    exception of the trainer is raised unchanged.
    """
    where, last = _named("train", config.train), None
    events = trainer.epoch()
    if not isinstance(events, Iterable):
        raise ConfigError(
            f"{where}: epoch() gave {_shown(events)}; expected an iterator of BatchLoss that ends "
            "with EpochMetrics"
        )
    for last in events:
        if isinstance(last, BatchLoss):
            yield _plain_batch(where, last)
        elif not isinstance(last, EpochMetrics):
            raise ConfigError(
                f"{where}: an epoch yields {_shown(last)}; expected BatchLoss or EpochMetrics"
            )
    yield check_metrics(config, last)


def check_metrics(config: Config, last: object) -> EpochMetrics:
    """Return the EpochMetrics that ended an epoch, with plain numbers. Raises ConfigError unless it
    has every metric that the config names."""
    where = _named("train", config.train)
    if not isinstance(last, EpochMetrics):
        raise ConfigError(f"{where}: an epoch ends with {_shown(last)}; expected EpochMetrics")
    if not isinstance(last.values, Mapping):
        shown = _shown(last.values)
        raise ConfigError(f"{where}: EpochMetrics.values is {shown}; expected a mapping")
    values = {}
    for name, value in last.values.items():
        if not isinstance(name, str):
            raise ConfigError(f"{where}: {name!r} is a metric's name; expected a str")
        values[name] = _number(f"{where}: {name}", value)
    for name in config.goals() or ():
        if name not in values:
            reported = ", ".join(values) or "nothing"
            raise ConfigError(
                f"{where}: an epoch reports no number for {name}, which is one of its metrics "
                f"(it reports {reported})"
            )
    epoch = _count(f"{where}: EpochMetrics.epoch", last.epoch)
    examples = _count(f"{where}: EpochMetrics.examples", last.examples)
    return EpochMetrics(epoch, examples, values)


def evaluate(
    section: EvaluateConfig | EvaluateTarget, model: nn.Module, test: Split, device: torch.device
) -> Evaluation:
    """Score `model`. Raises ConfigError for a target that returns no Evaluation, a score that is no
    number, or pictures or tables that cannot be logged."""
    found = _called("evaluate", section, model=model, test=test, device=device)
    if not isinstance(found, Evaluation):
        raise _not_what("evaluate", section, found, "raysweep.ml.protocols.Evaluation")
    where = _named("evaluate", section)
    with _name_the_part("evaluate", section):
        scores = {}
        for name, score in found.scores.items():
            number = plain_number(score)
            if number is None:
                raise _not_what("evaluate", section, score, f"a number for the score {name}")
            scores[str(name)] = number
        pictures = {key: plain_pictures(where, key, each) for key, each in found.pictures.items()}
        tables = {key: plain_table(where, key, each) for key, each in found.tables.items()}
    return replace(found, scores=scores, pictures=pictures, tables=tables)


def check_state(config: Config, data: bytes | memoryview) -> None:
    """Raise ConfigError unless the checkpoint `data` can be loaded without executing code in it.
    Those of the built-in parts always can."""
    own = [
        _named(name, section)
        for name, section in (("train", config.train), ("model", config.model))
        if isinstance(section, Target)
    ]
    if not own:
        return
    try:
        torch.load(io.BytesIO(data), "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigError(
            f"{own[0]}: no trial could be resumed from its state_dict(), which holds more than "
            f"tensors, numbers, text, lists and dicts ({unreadable(error)}); give it those alone"
        ) from error


def _called(name: str, section: Section, **given: Any) -> Any:
    with _name_the_part(name, section):
        return section.part()(**given, **section.params())


@contextmanager
def _name_the_part(name: str, section: Section) -> Iterator[None]:
    """Turn an exception into a ConfigError that names the part. Exceptions of the built-in parts
    pass unchanged, unless they come from the user's own code, such as a network that is scored."""
    try:
        yield
    except RaysweepError:
        raise
    except BaseException as error:
        built_in = isinstance(error, Exception) and not passed_own_code(error)
        if is_interrupt(error) or (built_in and not isinstance(section, Target)):
            raise
        raise code_failed(
            f"{_named(name, section)}: raised {where_raised(error)}", error
        ) from error


def _plain_batch(where: str, batch: BatchLoss) -> BatchLoss:
    return BatchLoss(
        _count(f"{where}: BatchLoss.epoch", batch.epoch),
        _count(f"{where}: BatchLoss.examples", batch.examples),
        _number(f"{where}: BatchLoss.loss", batch.loss),
    )


def _number(what: str, value: object) -> float:
    number = plain_number(value)
    if number is None:
        raise ConfigError(f"{what} is {_shown(value)}; expected a number")
    return number


def _count(what: str, value: object) -> int:
    number = plain_number(value)
    if number is None or not math.isfinite(number) or number != int(number):
        shown = _shown(value) if number is None else str(number)
        raise ConfigError(f"{what} is {shown}; expected an integer")
    return int(number)


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
    """Return `model.target my_pkg.nets:ResNet`, or the section's name where it is built-in."""
    return f"{name}.target {section.target}" if isinstance(section, Target) else name


def _shown(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
