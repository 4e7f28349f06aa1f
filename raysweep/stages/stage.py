"""Run one stage: make one artifact version in a run of its own, or reuse one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysweep.cluster.capture import printed
from raysweep.config.failure import whole
from raysweep.config.raised import whole_cause
from raysweep.errors import TrackingError
from raysweep.ml import files
from raysweep.stages.fingerprint import fingerprint
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run, Tracker
from raysweep.tracking.identity import SweepIdentity

CONTENT_VERSION = 1
"""To be raised whenever `content` would give another fingerprint for the same bytes."""

Build = Callable[[Run, Path], ArtifactDraft]
"""A function that makes a stage's output, given its run and an empty folder."""


@dataclass(frozen=True)
class StageOutcome:
    """A stage's output. cached: whether it existed before this sweep."""

    stage: str
    artifact: ArtifactVersion
    cached: bool


@dataclass(frozen=True)
class Stage:
    """A stage about to run: its name, the artifact it makes, and the fingerprint of the output."""

    name: str
    job_type: str
    artifact: str
    fingerprint: str
    config: Mapping[str, Any]


def run_once(
    tracker: Tracker, sweep: SweepIdentity, stage: Stage, build: Build, one_of_many: bool
) -> StageOutcome:
    """Reuse the version that has the stage's fingerprint, or build and log one in a run.

    one_of_many: the stage may run several times in the sweep, so its run's name has a suffix.
    """
    found = tracker.find_artifact(stage.artifact, stage.fingerprint)
    run_id = sweep.run_id(_run_name(stage, one_of_many))
    made_here = found is not None and found.producer == run_id  # by a process of this sweep
    # That process died before it had ended its run: build again, to the same version, to end it.
    if found is not None and not (made_here and tracker.run(run_id).state != "finished"):
        return StageOutcome(stage.name, _as_latest(tracker, found), cached=not made_here)
    artifact, _ = _run(tracker, sweep, stage, build, one_of_many)
    return StageOutcome(stage.name, artifact, cached=False)


def run_always(
    tracker: Tracker, sweep: SweepIdentity, stage: Stage, build: Build, one_of_many: bool
) -> StageOutcome:
    """Build in a run. `cached` is true if that gave a version that existed already."""
    artifact, known = _run(tracker, sweep, stage, build, one_of_many)
    return StageOutcome(stage.name, _as_latest(tracker, artifact), cached=known)


def content(stage: Stage, saved: Mapping[str, Path]) -> str:
    """Return the fingerprint of an output that only its bytes identify."""
    digests = {name: files.sha256(path) for name, path in saved.items()}
    return fingerprint(stage.name, CONTENT_VERSION, stage.config, digests)


def _run(
    tracker: Tracker, sweep: SweepIdentity, stage: Stage, build: Build, one_of_many: bool
) -> tuple[ArtifactVersion, bool]:
    """Build and log the output. Return its version, and whether the tracker already had it."""
    spec = sweep.run(_run_name(stage, one_of_many), stage.job_type, stage.config)
    run = tracker.start_run(spec)
    try:
        with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
            draft = build(run, Path(folder))
            known = tracker.find_artifact(draft.name, str(draft.metadata["fingerprint"]))
            artifact = run.log_artifact(draft)
        run.summarize({"artifact": artifact.ref, **_sizes(artifact)})
        run.log_output(printed())
    except BaseException as error:
        with suppress(TrackingError):  # report the first error, not this one
            run.log_output(printed() + whole(error))
            run.finish("failed", whole_cause(error))
        raise
    run.finish()
    return artifact, known is not None and known.producer != spec.id


def _as_latest(tracker: Tracker, version: ArtifactVersion) -> ArtifactVersion:
    """Move the alias `latest` to the version: it marks the stage's last output, reused or not."""
    if "latest" not in version.aliases:
        tracker.set_alias(version.ref, "latest")
    return version


def _run_name(stage: Stage, one_of_many: bool) -> str:
    """Return the name of the stage's run. A stage that may run several times in a sweep has the
    fingerprint's beginning as a suffix."""
    return f"{stage.job_type}-{stage.fingerprint[:6]}" if one_of_many else stage.job_type


def _sizes(artifact: ArtifactVersion) -> dict[str, int]:
    return {"size_bytes": sum(file.size_bytes for file in artifact.files)}
