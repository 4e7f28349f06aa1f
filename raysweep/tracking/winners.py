"""What the winner of a sweep of a program has logged, for its aliases and its download."""

from __future__ import annotations

from raysweep.tracking import ArtifactVersion, RunRecord, Tracker

MODEL = "model"
"""The type of the artifacts that are tagged `best`."""


def models_of(tracker: Tracker, run: RunRecord) -> list[ArtifactVersion]:
    """Return the models that a run logged: of each name the last version, in order."""
    last: dict[str, ArtifactVersion] = {}
    for ref in run.logged:
        version = tracker.artifact(ref)
        if version.type == MODEL:
            last.pop(version.name, None)
            last[version.name] = version
    return list(last.values())
