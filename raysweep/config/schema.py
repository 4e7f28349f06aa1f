"""The root of the config. Its defaults are the MNIST sweep, as `configs/mnist.yaml` shows."""

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
from raysweep.config import fit, import_path, targets
from raysweep.config.early_terminate import EarlyTerminate
from raysweep.config.explain import Loc, found, mistake, to_config_error
from raysweep.config.fields import Fields
from raysweep.config.given import Given, from_mapping
from raysweep.config.notices import Notices, notices, space_notices
from raysweep.config.program import FreeFields, ProgramConfig
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
from raysweep.config.sweep_file import is_sweep_file, runs_a_program
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
    early_terminate=EarlyTerminate(type="hyperband", min_iter=1, eta=2),
)
"""The default sweep. A config that gives `sweep` replaces it entirely; no key is inherited."""

OF_TRAINING = ("data", "preprocess", "model", "train", "evaluate")
"""The sections of the built-in training, which a sweep of a program has not."""

SWEPT_SECTIONS = ("data", "preprocess", "model", "train")
"""The sections whose fields may differ from trial to trial."""


def _part(name: str, built_in: type[Section]) -> WrapValidator:
    """Validate the section `name`: with `target` by the target's signature, else as built in."""

    def choose(given: Any, _: Callable[[Any], Any]) -> Section:
        if isinstance(given, Target):
            return given
        if isinstance(given, Mapping) and "target" in given:
            return targets.section_of(name, given)
        return built_in.model_validate(given)

    return WrapValidator(choose)


def _without_keys(storage: str) -> str:
    """Refuse credentials in the storage URI, which `config.yaml` and the journal store."""
    try:
        refuse_keys("", storage)
    except UserError as error:
        context = {"text": str(error).strip()}
        raise PydanticCustomError("explained", "{text}", context) from None
    return storage


class Config(Section):
    """All settings of a sweep. Frozen; `apply` and `from_dict` make new ones.

    `data`, `model`, `train` and `evaluate` may each be a custom part: see `config.targets`.
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
    program: ProgramConfig = ProgramConfig()
    resources: ResourcesConfig = ResourcesConfig()
    tracking: TrackingConfig = TrackingConfig()

    storage: Annotated[str, Field(min_length=1), AfterValidator(_without_keys)] = "./runs"
    """Folder of all sweeps, on the driver's machine."""

    sweep: SweepConfig = MNIST_SWEEP

    _notices: Notices = PrivateAttr(default=Notices())
    _given: Given = PrivateAttr(default=Given())

    @property
    def notices(self) -> tuple[str, ...]:
        """The notices about the files that it was read from, one line each."""
        return self._notices.lines

    @property
    def given(self) -> str | None:
        """What the user wrote, as YAML; None for a config that was made from its defaults."""
        return self._given.text()

    @model_validator(mode="before")
    @classmethod
    def _program_or_training(cls, given: Any) -> Any:
        return _one_kind(given) if isinstance(given, dict) else given

    @model_validator(mode="before")
    @classmethod
    def _project_of_the_sweep(cls, given: Any) -> Any:
        return _with_the_sweeps_project(given) if isinstance(given, dict) else given

    @model_validator(mode="before")
    @classmethod
    def _preprocess_is_for_pictures(cls, given: Any) -> Any:
        """Switch preprocessing off for custom data, unless the config says otherwise."""
        if not isinstance(given, dict) or not _has_target(given.get("data")):
            return given
        written = given.get("preprocess", {})
        if not isinstance(written, dict):
            return given
        return {**given, "preprocess": {"normalize": False, "expand_dims": False, **written}}

    @model_validator(mode="before")
    @classmethod
    def _goal_is_the_trainers(cls, given: Any) -> Any:
        """Take the goal of a custom trainer's metric from the trainer if the config gives none."""
        if not isinstance(given, dict) or not _has_target(given.get("train")):
            return given
        sweep = given.get("sweep")
        if not isinstance(sweep, dict):
            return given
        metric = sweep.get("metric")
        if not isinstance(metric, dict) or "goal" in metric:
            return given
        goal = targets.goal_of(given["train"], metric.get("name"))
        with_goal = metric if goal is None else {**metric, "goal": goal}
        return {**given, "sweep": {**sweep, "metric": with_goal}}

    @model_validator(mode="after")
    def _sweep_fits(self) -> Config:
        if self.sweep.runs_a_program:
            fit.check(self.sweep, self.fields(), None)
            if self.program.after is not None and not self.sweep.has_metric:
                text = "scores the best trial, and without sweep.metric none is; name a metric"
                raise mistake(("program", "after"), text)
            return self
        fit.check_integers({name: getattr(self, name) for name in (*SWEPT_SECTIONS, "evaluate")})
        fit.check(self.sweep, self.fields(), self.goals())
        fit.check_population(self.sweep, self.train)
        return self

    @property
    def kind(self) -> str:
        """The name of the kind of its trials (see `trials.workloads`)."""
        return "program" if self.sweep.runs_a_program else "training"

    def fields(self) -> Fields | FreeFields:
        """Return the fields that may differ from trial to trial; all others are fixed."""
        if self.sweep.runs_a_program:
            return FreeFields()
        return Fields({name: getattr(self, name) for name in SWEPT_SECTIONS})

    def goals(self) -> Mapping[str, str] | None:
        """Map each metric that a trial reports each epoch to its goal; None where nobody knows the
        metrics before trials report them."""
        if self.sweep.runs_a_program:
            return None
        if isinstance(self.train, TrainTarget):
            metrics: Mapping[str, str] = self.train.part().metrics  # type: ignore[attr-defined]
            return metrics
        return GOAL_OF

    def own_modules(self) -> list[Path]:
        """List the packages (folders) and modules (files) of its custom parts, without installed
        ones, which must be installed everywhere anyway."""
        sections = (getattr(self, name) for name in targets.PARTS)
        found = [import_path.home(each.target) for each in sections if isinstance(each, Target)]
        installed = {"site-packages", "dist-packages"}
        return [path for path in dict.fromkeys(found) if installed.isdisjoint(path.parts)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as plain data and the folders of the targets.

        The class of a section that was made from a signature is in no module, so it is made again
        when unpickled, in a process that may not know yet where the target lies.
        """
        folders = [str(path.parent) for path in self.own_modules()]
        return _restored, (self.to_dict(), folders)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Json]) -> Config:
        """Make a config from plain data, as YAML gives it; `sweep` may be a sweep file's path, and
        the content of a sweep file is a whole config.

        Raises ConfigError, in one line, if the data does not fit the schema.
        """
        document = dict(_mapping(mapping))
        if is_sweep_file(document):
            document = {"sweep": document}
        words: list[Word] = []
        if isinstance(document.get("sweep"), str):
            file = read_document(Path(document["sweep"]))
            document["sweep"] = file.value
            words = [Word(("sweep", *loc), text, value) for loc, text, value in file.words]
        config = parse(document, lambda loc: "", words)
        config._given = from_mapping(mapping)
        return config

    def to_dict(self) -> dict[str, Json]:
        """Convert to plain JSON values, from which `Config.from_dict` makes an equal config."""
        if self.sweep.runs_a_program:
            return self.model_dump(mode="json", exclude=set(OF_TRAINING))
        return self.model_dump(
            mode="json", exclude={"program": True, "sweep": {"program", "command", "nested"}}
        )


def parse(
    document: Mapping[str, Json], origin: Callable[[Loc], str], words: Sequence[Word] = ()
) -> Config:
    """Validate plain data. `origin(loc)` is the prefix of an error: the source of that value.

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


def _one_kind(document: dict[str, Any]) -> dict[str, Any]:
    """Refuse a sweep of a program beside settings of the built-in training, and the reverse."""
    sweep = document.get("sweep")
    written = sweep.model_dump() if isinstance(sweep, SweepConfig) else sweep
    if not runs_a_program(written):
        if document.get("program") is not None:
            text = "says how to run a program, and sweep.program names none"
            raise mistake(("program",), text)
        return document
    if beside := [name for name in OF_TRAINING if name in document]:
        text = "is of the built-in training, and sweep.program runs a program of yours"
        raise mistake((beside[0],), f"{text}; leave one of them out")
    return document


def _with_the_sweeps_project(document: dict[str, Any]) -> dict[str, Any]:
    """Use the sweep's `project` and `entity` if the tracking section gives none."""
    sweep, tracking = document.get("sweep"), document.get("tracking", {})
    section = sweep.model_dump() if isinstance(sweep, SweepConfig) else sweep
    if isinstance(tracking, TrackingConfig):
        tracking = tracking.model_dump(exclude_unset=True)
    if not isinstance(section, Mapping) or not isinstance(tracking, Mapping):
        return document
    tracking = dict(tracking)
    for key in ("project", "entity"):
        here, there = section.get(key), tracking.get(key)
        if here is not None and there is not None and here != there:
            text = f"{found(here)}, but tracking.{key} is {found(there)}; leave one of them out"
            raise mistake(("sweep", key), text)
        if here is not None:
            tracking[key] = here
    return {**document, "tracking": tracking} if tracking else document


def _restored(document: dict[str, Json], folders: list[str]) -> Config:
    for folder in folders:
        import_path.look_in(Path(folder))
    return Config.from_dict(document)


def _has_target(section: Any) -> bool:
    return isinstance(section, Target) or (isinstance(section, dict) and "target" in section)


def _mapping(given: Any) -> Mapping[str, Json]:
    if isinstance(given, Mapping):
        return given
    raise ConfigError(f"config: expected a mapping of sections, got {found(given)}")
