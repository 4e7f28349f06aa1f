"""Copy a version that only W&B has, with its ancestors, into the embedded store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from raysweep.paths import safe_join
from raysweep.tracking.mirror.numbering import Numbering
from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactDraft,
    ArtifactVersion,
    Json,
    RunRecord,
    RunSpec,
)
from raysweep.tracking.programs import NOTES
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker


class Bringing:
    """Copies one version and its ancestors from W&B.

    Two runs may each have used a version of the other. Such a cycle is cut where it closes: the use
    is declared after all versions have been copied.
    """

    def __init__(self, numbering: Numbering, here: TrackioTracker, there: WandbTracker) -> None:
        self._numbering = numbering
        self._here = here
        self._there = there
        self._under_way: set[str] = set()
        self._later: list[tuple[str, str]] = []

    def bring(self, remote: ArtifactVersion) -> ArtifactVersion:
        """Return the version's copy here."""
        local = self._bring(remote)
        for run_id, ref in self._later:
            kept = self._numbering.kept(ref)
            if kept is not None:
                self._here.store.use_artifact(run_id, kept.ref)
        return local

    def _bring(self, remote: ArtifactVersion) -> ArtifactVersion:
        here, there = self._here, self._there
        if local := self._numbering.copy(remote):
            return local
        self._under_way.add(remote.ref)
        record = there.run(remote.producer) if remote.producer else None
        spec = _spec_of(record, remote)
        used = []
        for ref in record.used if record else ():
            if ref in self._under_way:
                self._later.append((spec.id, ref))
            else:
                used.append(self._bring(there.artifact(ref)).ref)
        with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
            path = Path(folder) / "files"
            there.download(remote.ref, path)
            run = here.start_run(spec)
            for ref in used:
                run.use_artifact(ref)
            names = [file.path for file in remote.files if file.path != METADATA_FILE]
            local = run.log_artifact(
                ArtifactDraft(
                    remote.name,
                    remote.type,
                    remote.description,
                    _metadata_of(remote),
                    {name: safe_join(path, name, remote.ref) for name in names},
                )
            )
        if record is not None:
            run.summarize(record.summary)
        run.finish()
        if record is not None:
            here.store.set_url(run.id, record.url)
        self._numbering.note(local, remote.version)
        self._under_way.discard(remote.ref)
        return local


def _metadata_of(remote: ArtifactVersion) -> dict[str, Json]:
    """Return the metadata to keep: a program's version has no file of it, and is marked as one."""
    if any(file.path == METADATA_FILE for file in remote.files):
        return dict(remote.metadata)
    return {**remote.metadata, NOTES: {"digest": remote.digest, "entries": {}}}


def _spec_of(record: RunRecord | None, remote: ArtifactVersion) -> RunSpec:
    if record is None:  # its run was deleted in W&B
        run_id = f"wandb-{remote.name}-{remote.version}"
        return RunSpec(run_id, run_id, "unknown", "wandb")
    return RunSpec(
        record.id, record.name, record.job_type, record.group, record.config, record.tags
    )
