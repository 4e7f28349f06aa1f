"""How a program ends: what its exit code says."""

from __future__ import annotations

import pytest

from raysweep.trials.program.errors import ProgramKilled
from raysweep.trials.program.process.ending import check_signal


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-9, "the program was killed by SIGKILL: out of memory, perhaps"),
        (137, "the program was killed by SIGKILL: out of memory, perhaps"),
        (-11, "the program was killed by SIGSEGV"),
        (-15, "the program was killed by SIGTERM"),
        (-35, "the program was killed by signal 35"),
    ],
)
def test_only_sigkill_hints_at_memory(code: int, message: str) -> None:
    with pytest.raises(ProgramKilled) as raised:
        check_signal(code)
    assert str(raised.value) == message
    check_signal(139)  # no signal of its own: a program may choose it
