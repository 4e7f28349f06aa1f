"""What a sweep came to, in a form in which two of the same config are equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raysweep.tracking import RunRecord, Tracker

from sweeps import stored

WHEREABOUTS = ("model", "artifact", "data")
"""What a run says of versions by their numbers, which depend on who logged first."""


def outcome(storage: Path, name: str) -> dict[str, Any]:
    """All that must not depend on how often the sweep was stopped: its result, its files, and each
    of its runs with what it used, logged and told."""
    tracker = stored(storage, name).tracker()
    try:
        names = content_names(tracker)
        result = json.loads((storage / name / "result.json").read_text())
        best = {**result["best"], "artifact": names[result["best"]["artifact"]]}
        return {
            "result": {**result, "best": best} | dict.fromkeys(("wall_s", "sweep", "promotion")),
            "files": sorted(path.name for path in (storage / name).iterdir()),
            "runs": {
                run.name.removesuffix(f"-{name}"): _of_run(run, names, tracker)
                for run in tracker.runs(name)
            },
        }
    finally:
        tracker.close()


def content_names(tracker: Tracker) -> dict[str, str]:
    """Version → the digests of its files. Of a model's metadata, which name its run, none."""
    found = {}
    for ref in {ref for run in tracker.runs() for ref in run.logged}:
        version = tracker.artifact(ref)
        digests = [file.digest for file in version.files if file.path != "metadata.json"]
        found[ref] = f"{version.name} {' '.join(digests)}"
    return found


def _of_run(run: RunRecord, names: dict[str, str], tracker: Tracker) -> dict[str, Any]:
    told = ("sweep", "clones", *WHEREABOUTS)
    config = {**run.config, "sweep": None}
    if run.job_type == "report":
        config = {key: value for key, value in config.items() if key not in WHEREABOUTS}
    return {
        "state": (run.state, run.error),
        "used": sorted(names[ref] for ref in run.used),
        "logged": [names[ref] for ref in run.logged],
        "history": tracker.history(run.id),
        "summary": {key: value for key, value in run.summary.items() if key not in told},
        "config": config,
    }
