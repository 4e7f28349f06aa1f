"""The three stages, as plain functions: load, preprocess, initialize.

Each makes one artifact version, or reuses the version that has its fingerprint (see `stage`). torch
is imported by the function that builds, so a reused stage does not pay for the import.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.config import Config, DataConfig, DataTarget, PreprocessConfig
from raysweep.errors import DataError
from raysweep.ml import files
from raysweep.ml.shapes import INPUT_SHAPE
from raysweep.stages.fingerprint import fingerprint
from raysweep.stages.stage import (
    Build,
    Stage,
    StageOutcome,
    content,
    run_always,
    run_once,
)
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run, Tracker
from raysweep.tracking.identity import SweepIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["Stage", "StageOutcome", "initialize", "load", "preprocess"]

SPLITS = ("training", "validation", "test")
INITIALIZED_MODEL = "initialized_model.pth"
TRAINED_MODEL = "trained_model.pth"
CONVNET = "convnet"
"""The name of the built-in network's artifact, untrained."""

LOAD = "load-data"
"""The job type of the runs that log raw data."""

LOAD_VERSION = 1
PREPROCESS_VERSION = 1
INITIALIZE_VERSION = 1
"""To be raised whenever a stage's code would give other bytes for the same input (`fingerprint`).
"""


def load_stage(dataset: str, root: Path, train_size: int) -> Stage:
    """Identify the raw data by the files from which it is read. Raises DataError where they are
    missing."""
    return Stage(
        name="load",
        job_type=LOAD,
        artifact=f"{dataset.lower()}-raw",
        fingerprint=fingerprint(
            "load", LOAD_VERSION, {"train_size": train_size}, files.digests(dataset, root)
        ),
        config={"data": {"dataset": dataset, "train_size": train_size}},
    )


def preprocess_stage(raw: ArtifactVersion, steps: Mapping[str, Any]) -> Stage:
    """Identify the preprocessed data by the raw data's fingerprint and the steps.

    Not by the raw version's digest, since that depends on the tracker (SHA-256 here, MD5 in W&B).
    """
    return Stage(
        name="preprocess",
        job_type="preprocess-data",
        artifact=raw.name.removesuffix("-raw") + "-preprocess",
        fingerprint=fingerprint(
            "preprocess", PREPROCESS_VERSION, steps, {raw.name: raw.metadata["fingerprint"]}
        ),
        config={"preprocess": dict(steps)},
    )


def load_target_stage(data: DataTarget) -> Stage:
    """Identify the user's own data. The fingerprint identifies only the setting, among those of the
    sweep. The output is identified by its bytes (see `stage.content`)."""
    settings = data.model_dump(mode="json")
    return Stage(
        name="load",
        job_type=LOAD,
        artifact=f"{data.label}-raw",
        fingerprint=fingerprint("load", LOAD_VERSION, settings, {}),
        config={"data": settings},
    )


def model_name(model: Mapping[str, Any]) -> str:
    """Return the name of the untrained model's artifact: `convnet`, or that of the user's class or
    function.

    `convnet` is reserved for the built-in network: a user's own ConvNet gets its module's name as a
    prefix, `my_nets-convnet`.
    """
    if "target" not in model:
        return CONVNET
    module, _, path = str(model["target"]).rpartition(":")
    name = path.rpartition(".")[2].lower()
    return f"{module.rpartition('.')[2].lower()}-{name}" if name == CONVNET else name


def initialize_stage(model: Mapping[str, Any]) -> Stage:
    """Identify the untrained model by its configuration, seed included."""
    return Stage(
        name="initialize",
        job_type="initialize",
        artifact=model_name(model),
        fingerprint=fingerprint("initialize", INITIALIZE_VERSION, model, {}),
        config={"model": dict(model)},
    )


def obtain(data: DataConfig) -> tuple[DataConfig, str | None]:
    """Download the data set unless it is here. Return it, or the fallback with a warning.

    Raises DataError where the files are damaged (the user has to repair them, even if there is a
    fallback), where they cannot be downloaded and there is no fallback, or where `train_size`
    leaves nothing to validate.
    """
    data, warning = _present(data)
    check_train_size(data)
    return data, warning


def check_train_size(data: DataConfig) -> None:
    """Raise DataError where `train_size` leaves nothing to validate; the digits take any."""
    available = files.training_size(data.dataset, data.resolved_root())
    if data.dataset != files.DIGITS and data.train_size >= available:
        raise DataError(
            f"data.train_size: {data.train_size}, but {data.dataset} has {available} pictures to "
            f"train and validate; at most {available - 1} leave one to validate"
        )


def _present(data: DataConfig) -> tuple[DataConfig, str | None]:
    root = data.resolved_root()
    if files.dataset_state(data.dataset, root) == "present":
        return data, None
    from raysweep.ml import datasets

    try:
        datasets.download(data.dataset, root)
    except DataError as error:
        if data.fallback is None:
            raise
        reason = str(error.__cause__ or error).strip().splitlines()[-1].strip()
        return data.model_copy(update={"dataset": data.fallback}), (
            f"{data.dataset} is not in {root} and could not be downloaded ({reason}): the embedded "
            f"{data.fallback} stand in. To train on {data.dataset}, put its files into "
            f"{files.raw_folder(data.dataset, root)}."
        )
    return data, None


def load(
    tracker: Tracker, sweep: SweepIdentity, config: Config, *, one_of_many: bool = False
) -> StageOutcome:
    """Log the raw data as `<dataset>-raw`. The files must be here (see `obtain`).

    The user's own data is loaded every time, since the inputs of a function are not known. If it
    gives the same bytes as before, that version is reused. `one_of_many`: the sweep loads several
    data sets.
    """
    data = config.data
    if isinstance(data, DataTarget):
        stage = load_target_stage(data)
        return run_always(tracker, sweep, stage, _loading(data, stage), one_of_many)
    stage = load_stage(data.dataset, data.resolved_root(), data.train_size)
    return run_once(tracker, sweep, stage, _loading(data, stage), one_of_many)


def _loading(data: DataConfig | DataTarget, stage: Stage) -> Build:
    def build(run: Run, folder: Path) -> ArtifactDraft:
        from raysweep.ml import datasets
        from raysweep.stages import parts

        splits = parts.load_data(data)
        named = dict(zip(SPLITS, (splits.training, splits.validation, splits.test), strict=True))
        for name, split in named.items():
            datasets.save_split(split, folder / f"{name}.pt")
        saved = {f"{name}.pt": folder / f"{name}.pt" for name in SPLITS}
        metadata: dict[str, Any] = {"sizes": [len(split.y) for split in named.values()]}
        if isinstance(data, DataTarget):
            title, source, identity = data.label, data.target, content(stage, saved)
            metadata |= {"parameters": stage.config["data"]}
        else:
            title, source, identity = data.dataset, datasets.source(data.dataset), stage.fingerprint
        return ArtifactDraft(
            name=stage.artifact,
            type="dataset",
            description=f"Raw {title} dataset, split into train/val/test",
            metadata={
                "dataset": title,
                "source": source,
                **metadata,
                "fingerprint": identity,
            },
            files=saved,
        )

    return build


def preprocess(
    tracker: Tracker,
    sweep: SweepIdentity,
    config: Config,
    raw: ArtifactVersion,
    *,
    one_of_many: bool = False,
) -> StageOutcome:
    """Preprocess `<dataset>-raw`, and log it as `<dataset>-preprocess`."""
    steps = config.preprocess.model_dump(mode="json")
    stage = preprocess_stage(raw, steps)

    def build(run: Run, folder: Path) -> ArtifactDraft:
        from raysweep.ml import datasets
        from raysweep.ml.preprocess import preprocess as apply_steps

        run.use_artifact(raw.ref)
        tracker.download(raw.ref, folder / "raw")
        for name in SPLITS:
            split = datasets.read_split(folder / "raw" / f"{name}.pt")
            datasets.save_split(apply_steps(split, **steps), folder / f"{name}.pt")
        label = _data_set(raw)
        return ArtifactDraft(
            name=stage.artifact,
            type="dataset",
            description=f"Preprocessed {label} dataset",
            metadata=steps | {"dataset": label, "fingerprint": stage.fingerprint, "raw": raw.ref},
            files={f"{name}.pt": folder / f"{name}.pt" for name in SPLITS},
        )

    return run_once(tracker, sweep, stage, build, one_of_many)


def preprocess_of(data: ArtifactVersion) -> dict[str, Any]:
    """Return the steps that made a preprocessed version, as `PreprocessConfig` names them."""
    return {step: data.metadata[step] for step in PreprocessConfig.model_fields}


def _data_set(raw: ArtifactVersion) -> str:
    """Return the data set's name as people write it: `MNIST`. Earlier releases recorded it only in
    the version's description."""
    return str(raw.metadata.get("dataset") or raw.description.removeprefix("Raw ").split(" ")[0])


def initialize(
    tracker: Tracker, sweep: SweepIdentity, config: Config, data: ArtifactVersion | None = None
) -> StageOutcome:
    """Create a model's untrained weights, and log them as `convnet` or under the user's name.

    The user's own network is created every time, for the same reason as in `load`. One with lazy
    modules needs the preprocessed `data` that all trials use (None: they use different data).
    """
    model = config.model.model_dump(mode="json")
    stage = initialize_stage(model)
    target = model.get("target")

    def build(run: Run, folder: Path) -> ArtifactDraft:
        from raysweep.ml import datasets
        from raysweep.stages import parts

        def example() -> torch.Tensor | None:
            if data is None:
                return None
            run.use_artifact(data.ref)
            tracker.download(data.ref, folder / "data")
            return datasets.read_split(folder / "data" / "training.pt").x[:1].clone()

        parts.untrained_weights(config.model, example, folder / INITIALIZED_MODEL)
        saved = {INITIALIZED_MODEL: folder / INITIALIZED_MODEL}
        if target is None:
            more = {"input_shape": list(INPUT_SHAPE), "fingerprint": stage.fingerprint}
        else:
            more = {"fingerprint": content(stage, saved)}
        return ArtifactDraft(
            name=stage.artifact,
            type="model",
            description=f"Untrained {target}" if target else "Simple AlexNet style CNN",
            metadata=dict(model) | more,
            files=saved,
        )

    run = run_once if target is None else run_always
    return run(tracker, sweep, stage, build, one_of_many=True)
