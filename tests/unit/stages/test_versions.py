"""The versions for a trial's configuration are made once each."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path

from raysweep.config import Config, apply
from raysweep.stages import stages
from raysweep.stages.versions import VersionMaker
from raysweep.tracking import Tracker

from workshop import Workshop

SWEEP = {
    "method": "grid",
    "parameters": {
        "data.train_size": {"values": [300, 1200]},
        "preprocess.normalize": {"values": [True, False]},
        "model.dropout": {"values": [0.1, 0.25]},
    },
}


def a_copy(tracker: Tracker) -> Tracker:
    """Copy the tracker by pickling, as for each call of an actor."""
    copy: Tracker = pickle.loads(pickle.dumps(tracker))
    return copy


def test_each_setting_is_made_once_and_distinct(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    config = make_config(sweep=SWEEP)
    maker = VersionMaker(workshop.sweep, config, [])
    names = list(SWEEP["parameters"])  # type: ignore[call-overload]
    asked = [(300, True, 0.1), (1200, False, 0.25), (300, True, 0.25), (1200, False, 0.1)]
    configs = [apply(config, dict(zip(names, each, strict=True))) for each in asked]
    before = threading.active_count()
    found = [maker.versions(a_copy(workshop.tracker), each) for each in configs]
    assert threading.active_count() <= before + 1, "one tracker's, however many are handed over"
    for versions, (size, normalize, dropout) in zip(found, asked, strict=True):
        assert versions["data"].metadata["normalize"] == normalize
        raw = workshop.tracker.artifact(str(versions["data"].metadata["raw"]))
        assert raw.metadata["sizes"][0] == size
        assert versions["model"].metadata["dropout"] == dropout
    assert found[0]["data"] == found[2]["data"] != found[1]["data"] == found[3]["data"]
    made = [outcome.stage for outcome in maker.outcomes() if not outcome.cached]
    assert sorted(made) == ["initialize", "load", "preprocess", "preprocess"], "1200 was there"
    runs = [run.name for run in workshop.tracker.runs(workshop.sweep.name)]
    assert len(set(runs)) == len(runs) == 4, "each in a run of its own name"


def test_what_ran_before_the_trials_is_not_run_again(
    workshop: Workshop, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """It is found by its setting, without a call of the tracker."""
    dropouts = {"parameters": {"model.dropout": {"values": [0.1, 0.25]}}, "method": "grid"}
    config = make_config(sweep=dropouts)
    tracker, sweep = workshop.tracker, workshop.sweep
    raw = stages.load(tracker, sweep, config)
    data = stages.preprocess(tracker, sweep, config, raw.artifact)
    maker = VersionMaker(sweep, config, [raw, data])
    versions = maker.versions(tracker, apply(config, {"model.dropout": 0.1}))
    assert versions["data"] is data.artifact
    assert [outcome.stage for outcome in maker.outcomes()] == ["load", "preprocess", "initialize"]
