"""The whole config. Its defaults are the MNIST sweep, which `configs/mnist.yaml` spells out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from raysweep.addresses import refuse_keys
from raysweep.config import fit, targets
from raysweep.config.early_terminate import EarlyTerminate
from raysweep.config.explain import Loc, found, mistake, to_config_error
from raysweep.config.fields import Fields
from raysweep.config.notices import Notices, notices, space_notices
from raysweep.config.section import Section
from raysweep.config.sections import (
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    PreprocessConfig,
    ResourcesConfig,
    TrackingConfig,
    TrainConfig,
)
from raysweep.config.space.distributions import Json
from raysweep.config.space.nesting import as_written
from raysweep.config.space.parameter import Parameter
from raysweep.config.sweep import GOAL_OF, Metric, SweepConfig
from raysweep.config.target_sections import (
    DataTarget,
    EvaluateTarget,
    ModelTarget,
    Target,
    TrainTarget,
)
from raysweep.config.yaml import Word, read_document
from raysweep.errors import ConfigError, UserError

MNIST_SWEEP = SweepConfig(
    method="random",
    metric=Metric(name="validation/accuracy", goal="maximize"),
    run_cap=4,
    parameters={
        "learning_rate": Parameter(distribution="log_uniform_values", min=0.005, max=0.02),
        "label_smoothing": Parameter(values=(0.0, 0.05, 0.1)),
    },
    early_terminate=EarlyTerminate(type="hyperband", min_iter=1, eta=3),
)
"""The default sweep. A config that gives `sweep` replaces it whole; no key of it shines through."""

SWEPT_SECTIONS = ("data", "preprocess", "model", "train")
"""The sections whose fields may differ from trial to trial."""


def _part(name: str, built_in: type[Section]) -> WrapValidator:
    """The section `name`: with `target` the one made from its signature, else the built-in one."""

    def choose(given: Any, _: Callable[[Any], Any]) -> Section:
        if isinstance(given, Target):
            return given
        if isinstance(given, Mapping) and "target" in given:
            return targets.section_of(name, given)
        return built_in.model_validate(given)

    return WrapValidator(choose)


def _without_keys(storage: str) -> str:
    """What `config.yaml` and the journal keep."""
    try:
        refuse_keys("", storage)
    except UserError as error:
        told = {"text": str(error).strip()}
        raise PydanticCustomError("explained", "{text}", told) from None
    return storage


class Config(Section):
    """Everything that a sweep is made of. Frozen; `apply` and `from_dict` make new ones.

    `data`, `model`, `train` and `evaluate` may each be of one's own: see `config.targets`.
    """

    data: Annotated[SerializeAsAny[DataConfig | DataTarget], _part("data", DataConfig)] = (
        DataConfig()
    )
    preprocess: PreprocessConfig = PreprocessConfig()
    model: Annotated[SerializeAsAny[ModelConfig | ModelTarget], _part("model", ModelConfig)] = (
        ModelConfig()
    )
    train: Annotated[SerializeAsAny[TrainConfig | TrainTarget], _part("train", TrainConfig)] = (
        TrainConfig()
    )
    evaluate: Annotated[
        SerializeAsAny[EvaluateConfig | EvaluateTarget], _part("evaluate", EvaluateConfig)
    ] = EvaluateConfig()
    resources: ResourcesConfig = ResourcesConfig()
    tracking: TrackingConfig = TrackingConfig()

    storage: Annotated[str, Field(min_length=1), AfterValidator(_without_keys)] = "./runs"
    """Folder of all sweeps, on the machine that drives them."""

    sweep: SweepConfig = MNIST_SWEEP

    _notices: Notices = PrivateAttr(default=Notices())

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of the files that it was read from, one line each."""
        return self._notices.lines

    @model_validator(mode="before")
    @classmethod
    def _project_of_the_sweep(cls, given: Any) -> Any:
        return _with_the_sweeps_project(given) if isinstance(given, dict) else given

    @model_validator(mode="before")
    @classmethod
    def _preprocess_is_for_pictures(cls, given: Any) -> Any:
        """Data of one's own is left as it is, unless the config says otherwise."""
        if not isinstance(given, dict) or not _has_target(given.get("data")):
            return given
        asked = given.get("preprocess", {})
        if not isinstance(asked, dict):
            return given
        return {**given, "preprocess": {"normalize": False, "expand_dims": False, **asked}}

    @model_validator(mode="before")
    @classmethod
    def _goal_is_the_trainers(cls, given: Any) -> Any:
        """Of a metric of one's own trainer, where the config does not say it."""
        if not isinstance(given, dict) or not _has_target(given.get("train")):
            return given
        sweep = given.get("sweep")
        if not isinstance(sweep, dict):
            return given
        metric = sweep.get("metric")
        if not isinstance(metric, dict) or "goal" in metric:
            return given
        goal = targets.goal_of(given["train"], metric.get("name"))
        told = metric if goal is None else {**metric, "goal": goal}
        return {**given, "sweep": {**sweep, "metric": told}}

    @model_validator(mode="after")
    def _sweep_fits(self) -> Config:
        fit.check_integers({name: getattr(self, name) for name in (*SWEPT_SECTIONS, "evaluate")})
        fit.check(self.sweep, self.fields(), self.goals())
        fit.check_population(self.sweep, self.train)
        return self

    def fields(self) -> Fields:
        """What may differ from trial to trial; all else is the whole sweep's."""
        return Fields({name: getattr(self, name) for name in SWEPT_SECTIONS})

    def goals(self) -> Mapping[str, str]:
        """The metrics that a trial reports each epoch → which way is better."""
        if isinstance(self.train, TrainTarget):
            metrics: Mapping[str, str] = self.train.part().metrics  # type: ignore[attr-defined]
            return metrics
        return GOAL_OF

    def own_modules(self) -> list[Path]:
        """The packages (folders) and modules (files) that its parts of one's own lie in; not those
        that are installed, as they have to be everywhere."""
        sections = (getattr(self, name) for name in targets.PARTS)
        found = [targets.home(each.target) for each in sections if isinstance(each, Target)]
        installed = {"site-packages", "dist-packages"}
        return [path for path in dict.fromkeys(found) if installed.isdisjoint(path.parts)]

    def __reduce__(self) -> tuple[Any, ...]:
        """A section that was made from a signature has no module to be found in: it is made again,
        in a process that may not know yet where its target lies."""
        folders = [str(path.parent) for path in self.own_modules()]
        return _restored, (self.to_dict(), folders)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Json]) -> Config:
        """A config from plain data, as YAML would give it; `sweep` may be the path of a sweep file.

        Raises ConfigError, in one line, for what does not fit the schema.
        """
        document = dict(_mapping(mapping))
        words: list[Word] = []
        if isinstance(document.get("sweep"), str):
            file = read_document(Path(document["sweep"]))
            document["sweep"] = file.value
            words = [Word(("sweep", *loc), text, value) for loc, text, value in file.words]
        return parse(document, lambda loc: "", words)

    def to_dict(self) -> dict[str, Json]:
        """Plain JSON values; `Config.from_dict` makes an equal config of them."""
        return self.model_dump(mode="json")


def parse(
    document: Mapping[str, Json], origin: Callable[[Loc], str], words: Sequence[Word] = ()
) -> Config:
    """Validate plain data. `origin(loc)` is the prefix of an error: whose value stands at `loc`.

    `words` are the booleans in it that were written as words, for the notices.
    """
    sweep, at = document.get("sweep"), ("sweep", "parameters")
    written = as_written(sweep.get("parameters") if isinstance(sweep, Mapping) else None, at)
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        raise to_config_error(error, Config, origin, written) from None
    space = space_notices(config.sweep.parameters, at, written, origin, config.fields())
    config._notices = Notices((*notices(sweep, ("sweep",), words, origin), *space))
    return config


def _with_the_sweeps_project(document: dict[str, Any]) -> dict[str, Any]:
    """`project` and `entity` of the sweep are the tracking section's, where it has none."""
    sweep, tracking = document.get("sweep"), document.get("tracking", {})
    said = sweep.model_dump() if isinstance(sweep, SweepConfig) else sweep
    if isinstance(tracking, TrackingConfig):
        tracking = tracking.model_dump(exclude_unset=True)
    if not isinstance(said, Mapping) or not isinstance(tracking, Mapping):
        return document
    tracking = dict(tracking)
    for key in ("project", "entity"):
        here, there = said.get(key), tracking.get(key)
        if here is not None and there is not None and here != there:
            text = f"{found(here)}, but tracking.{key} is {found(there)}; leave one of them out"
            raise mistake(("sweep", key), text)
        if here is not None:
            tracking[key] = here
    return {**document, "tracking": tracking} if tracking else document


def _restored(document: dict[str, Json], folders: list[str]) -> Config:
    for folder in folders:
        targets.look_in(Path(folder))
    return Config.from_dict(document)


def _has_target(section: Any) -> bool:
    return isinstance(section, Target) or (isinstance(section, dict) and "target" in section)


def _mapping(given: Any) -> Mapping[str, Json]:
    if isinstance(given, Mapping):
        return given
    raise ConfigError(f"config: expected a mapping of sections, got {found(given)}")
