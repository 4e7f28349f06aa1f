"""A sweep of a program in local mode: interrupted while a program runs, and resumed."""

from __future__ import annotations

import os
from pathlib import Path

import chaos_program
import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.errors import Interrupted
from raysweep.events import Event, TrialUpdated

from family import family, still_alive
from sweeps import HAS_LOCAL_MODE

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]


def test_a_program_is_interrupted_and_resumed(tmp_path: Path) -> None:
    seen = set()

    def interrupts(event: Event) -> None:
        if isinstance(event, TrialUpdated) and (event.index, event.epoch) == (1, 2):
            seen.update(each for each in family(os.getpid()) if "train.py" in each.title)
            raise KeyboardInterrupt

    config, storage = chaos_program.write(tmp_path), tmp_path / "runs"
    with pytest.raises(Interrupted):
        run_sweep(config, name="here", storage=storage, observer=interrupts)
    assert len(seen) == 3, "two supervisors, one in the other, and their program"
    assert still_alive(seen) == []
    resume_sweep("here", storage=storage)
    chaos_program.assert_whole(storage, "here")
