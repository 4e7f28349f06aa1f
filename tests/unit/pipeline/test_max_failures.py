"""What Tune counts as a failure of a trial, and what not: `resources.max_failures` is its count."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import RayActorError
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial


@pytest.mark.parametrize(("preempted", "goes_on"), [(False, False), (True, True)])
def test_a_machine_that_is_taken_away_does_not_count(
    preempted: bool, goes_on: bool, tmp_path: Path
) -> None:
    storage = StorageContext(str(tmp_path), "sweep", trial_dir_name="trial")
    trial = Trial("stub", stub=True, storage=storage, max_failures=1)
    Path(str(trial.local_path)).mkdir(parents=True)
    trial.handle_error(RayActorError())
    assert trial.should_recover(), "the first death is within the limit"
    trial.handle_error(RayActorError(preempted=preempted))
    assert trial.should_recover() == goes_on
