"""A sweep's page in W&B: made once, kept by the sweep's folder, found again by resume and sync."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from raysweep.config import field_of
from raysweep.config.sweep_file import runs_a_program
from raysweep.errors import TrackingError
from raysweep.storage.atomic import write_atomically
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import RunRecord, Tracker
from raysweep.tracking.identity import SweepIdentity

if TYPE_CHECKING:
    from raysweep.tracking.wandb.sweep import SweepPage
    from raysweep.tracking.wandb.tracker import WandbTracker


def open_page(tracker: Tracker, folder: SweepFolder, config: Mapping[str, Any]) -> str | None:
    """Attach the trials of a sweep in W&B to its page, which is made if it has none.

    Returns None, or a line that says why there is no page: a sweep does without. `config` is the
    sweep's, as plain data. Does nothing for a sweep that is not recorded in W&B.
    """
    if tracker.backend != "wandb":
        return None
    from raysweep.tracking.mirror.tracker import MirroredTracker

    assert isinstance(tracker, MirroredTracker)
    runs = tracker.here.runs()
    try:
        tracker.send(lambda: attach(tracker.there, folder, config, runs))
    except TrackingError as error:
        if (page := kept_page(folder)) is not None:  # W&B is away: it is there when W&B is back
            tracker.there.page = page
            return None
        return f"{error}: the sweep has no page of its own in W&B, and its runs are there as usual"
    return None


def attach(
    there: WandbTracker, folder: SweepFolder, config: Mapping[str, Any], runs: list[RunRecord]
) -> None:
    """Attach the sweep's trials, from here on, to its page. `runs`: those that are recorded here.

    They are known by their ids: a program's script may give its run another group and job type.
    Raises TrackingError if W&B refuses to make a page."""
    page, record = kept_page(folder), folder.record()
    trials = SweepIdentity(record.name, record.id).run_id("trial-")
    sent = [run.id for run in runs if run.id.startswith(trials) and run.url is not None]
    if sent and not _is_there(there, sent[0]):  # the project was deleted there, the page with it
        page, sent = None, []
    if page is None or not page.url.startswith(f"{there.url}/"):  # synced to another server
        page = there.create_page(trials, as_wandb_sweep(record.name, config["sweep"]), sent)
        write_atomically(folder.wandb_page, json.dumps(asdict(page), indent=2) + "\n")
    there.page = page


def _is_there(there: WandbTracker, run_id: str) -> bool:
    try:
        there.run(run_id)
    except TrackingError:
        there.knock()  # raises where nobody answers, which says nothing of the run
        return False
    return True


def kept_page(folder: SweepFolder) -> SweepPage | None:
    """Return the page that the folder keeps; None if there is none, or the file is damaged."""
    from raysweep.tracking.wandb.sweep import SweepPage

    try:
        kept = json.loads(folder.wandb_page.read_text(encoding="utf-8"))
        return SweepPage(str(kept["id"]), str(kept["url"]), str(kept["trials"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def link(folder: SweepFolder) -> dict[str, str]:
    """Return the page's part of the result's `links`."""
    if not folder.wandb_page.exists():
        return {}
    page = kept_page(folder)
    return {} if page is None else {"sweep": page.url}


def as_wandb_sweep(name: str, sweep: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the config's section to W&B's schema, for W&B's own plots.

    Parameters are named by where a run's config has them: `train.learning_rate`. Rules that W&B
    would enforce (`early_terminate`, `run_cap`) are left out: raysweep does that.
    """
    metric = {key: sweep["metric"][key] for key in ("name", "goal")} if sweep["metric"] else None
    is_program = runs_a_program(sweep)
    parameters = {
        each if is_program else field_of(each): _bounds(kept)
        for each, kept in sweep["parameters"].items()
    }
    about = sweep.get("description") or "Run by raysweep."
    plain = {"name": name, "description": about, "method": sweep["method"]}
    plain |= {"metric": metric} if metric else {}
    of_program = {key: sweep[key] for key in ("program", "command") if sweep.get(key)}
    return {**plain, **of_program, "parameters": parameters}


def _bounds(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """W&B's client refuses one bound that is an integer beside one that is not."""
    kept = {key: value for key, value in parameter.items() if value is not None}
    kinds = {type(kept[key]) for key in ("min", "max") if key in kept}
    if kinds == {int, float}:
        kept |= {"min": float(kept["min"]), "max": float(kept["max"])}
    return kept or {"value": None}
