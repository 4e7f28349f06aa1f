"""The three stages that run once, as plain functions: load, preprocess, initialize.

Each makes one artifact version, or finds that a version with its fingerprint exists and reuses it.
torch is imported by the function that needs it, after the search: a reused stage never pays for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysweep.config import Config, DataConfig
from raysweep.errors import DataError
from raysweep.ml import files
from raysweep.ml.shapes import INPUT_SHAPE
from raysweep.pipeline.fingerprint import fingerprint
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run, RunSpec, Tracker

SPLITS = ("training", "validation", "test")
INITIALIZED_MODEL = "initialized_model.pth"

LOAD_VERSION = 1
PREPROCESS_VERSION = 1
INITIALIZE_VERSION = 1
"""Raised whenever a stage's code would give other bytes for the same input (see `fingerprint`)."""


@dataclass(frozen=True)
class StageOutcome:
    """What a stage gave, and whether it was there already."""

    stage: str
    artifact: ArtifactVersion
    cached: bool


@dataclass(frozen=True)
class Stage:
    """A stage about to run: what it is called, what it makes, what identifies the output."""

    name: str
    job_type: str
    artifact: str
    fingerprint: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class SweepIdentity:
    """A sweep's name, and the id from which the ids of its runs are made."""

    name: str
    id: str
    tags: tuple[str, ...] = ()

    def run_id(self, name: str) -> str:
        """The id of this sweep's run `name`, the same in every process."""
        return f"{self.id}-{name}"

    def run(self, name: str, job_type: str, config: Mapping[str, Any]) -> RunSpec:
        """The spec of this sweep's run `name`; the same name is the same run."""
        return RunSpec(
            id=self.run_id(name),
            name=f"{name}-{self.name}",  # a graph's boxes cut the end off
            job_type=job_type,
            group=self.name,
            config=config,
            tags=self.tags,
        )


def load_stage(dataset: str, root: Path, train_size: int) -> Stage:
    """Identify the raw data by the files it is read from. Raises DataError where they are not."""
    return Stage(
        name="load",
        job_type="load-data",
        artifact=f"{dataset.lower()}-raw",
        fingerprint=fingerprint(
            "load", LOAD_VERSION, {"train_size": train_size}, files.digests(dataset, root)
        ),
        config={"data": {"dataset": dataset, "train_size": train_size}},
    )


def preprocess_stage(raw: ArtifactVersion, steps: Mapping[str, Any]) -> Stage:
    """Identify the preprocessed data by what identifies the raw data, and the steps.

    Not by the raw version's digest, which is each tracker's own (SHA-256 here, MD5 in W&B).
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


def initialize_stage(model: Mapping[str, Any]) -> Stage:
    """Identify the untrained model by its configuration, seed included."""
    return Stage(
        name="initialize",
        job_type="initialize",
        artifact="convnet",
        fingerprint=fingerprint("initialize", INITIALIZE_VERSION, model, {}),
        config={"model": dict(model)},
    )


def obtain(data: DataConfig) -> tuple[DataConfig, str | None]:
    """The data set that is there, or was downloaded, or stands in; and a warning if one does.

    Raises DataError where the files are damaged (a fault to mend, whatever the fallback), where
    they cannot be had and nothing stands in, or where `train_size` leaves nothing to validate.
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


def load(tracker: Tracker, sweep: SweepIdentity, config: Config) -> StageOutcome:
    """Raw data, which must be there (see `obtain`), to `<dataset>-raw`."""
    data, root = config.data, config.data.resolved_root()
    dataset = data.dataset
    stage = load_stage(dataset, root, data.train_size)

    def build(run: Run, folder: Path) -> ArtifactDraft:
        from raysweep.ml import datasets

        splits = datasets.load(dataset, root, data.train_size)
        parts = dict(zip(SPLITS, (splits.training, splits.validation, splits.test), strict=True))
        for name, split in parts.items():
            datasets.save_split(split, folder / f"{name}.pt")
        label = "MNIST" if dataset == "MNIST" else dataset
        return ArtifactDraft(
            name=stage.artifact,
            type="dataset",
            description=f"Raw {label} dataset, split into train/val/test",
            metadata={
                "source": datasets.source(dataset),
                "sizes": [len(split.y) for split in parts.values()],
                "fingerprint": stage.fingerprint,
            },
            files={f"{name}.pt": folder / f"{name}.pt" for name in SPLITS},
        )

    return _run_once(tracker, sweep, stage, build)


def preprocess(
    tracker: Tracker, sweep: SweepIdentity, config: Config, raw: ArtifactVersion
) -> StageOutcome:
    """`<dataset>-raw` to `<dataset>-preprocess`."""
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
        label = raw.description.removeprefix("Raw ").split(" ")[0]
        return ArtifactDraft(
            name=stage.artifact,
            type="dataset",
            description=f"Preprocessed {label} dataset",
            metadata=steps | {"fingerprint": stage.fingerprint, "raw": raw.ref},
            files={f"{name}.pt": folder / f"{name}.pt" for name in SPLITS},
        )

    return _run_once(tracker, sweep, stage, build)


def initialize(tracker: Tracker, sweep: SweepIdentity, model: Mapping[str, Any]) -> StageOutcome:
    """A model configuration to `convnet`, its untrained weights."""
    stage = initialize_stage(model)

    def build(run: Run, folder: Path) -> ArtifactDraft:
        from raysweep.ml.convnet import initialize as initialize_model
        from raysweep.ml.weights import save_weights

        architecture = {key: value for key, value in model.items() if key != "seed"}
        network = initialize_model(architecture, seed=model["seed"])
        save_weights(network.state_dict(), folder / INITIALIZED_MODEL)
        return ArtifactDraft(
            name=stage.artifact,
            type="model",
            description="Simple AlexNet style CNN",
            metadata=dict(model)
            | {"input_shape": list(INPUT_SHAPE), "fingerprint": stage.fingerprint},
            files={INITIALIZED_MODEL: folder / INITIALIZED_MODEL},
        )

    return _run_once(tracker, sweep, stage, build)


def _run_once(
    tracker: Tracker,
    sweep: SweepIdentity,
    stage: Stage,
    build: Callable[[Run, Path], ArtifactDraft],
) -> StageOutcome:
    """Reuse the version that carries the stage's fingerprint, or build and log it in a run.

    `latest` means what the stage gave last: it moves to a reused version too.
    """
    found = tracker.find_artifact(stage.artifact, stage.fingerprint)
    if found is not None:
        if "latest" not in found.aliases:
            tracker.set_alias(found.ref, "latest")
        return StageOutcome(stage.name, found, cached=True)
    spec = sweep.run(_run_name(stage), stage.job_type, stage.config)
    run = tracker.start_run(spec)
    try:
        with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
            artifact = run.log_artifact(build(run, Path(folder)))
        run.summarize({"artifact": artifact.ref, **_sizes(artifact)})
    except BaseException as error:
        run.finish("failed", f"{type(error).__name__}: {error}")
        raise
    run.finish()
    return StageOutcome(stage.name, artifact, cached=False)


def _run_name(stage: Stage) -> str:
    """`initialize` runs once for each architecture, so its run carries the fingerprint's start."""
    if stage.name == "initialize":
        return f"{stage.job_type}-{stage.fingerprint[:6]}"
    return stage.job_type


def _sizes(artifact: ArtifactVersion) -> dict[str, int]:
    return {"size_bytes": sum(file.size_bytes for file in artifact.files)}
