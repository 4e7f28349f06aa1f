"""Where a trial asks, at a bracket, whether it goes on, with `early_terminate.order: sweep`.

The driver decides (see `search/order`) and says so to an actor; the trial asks there before its
next epoch. It keeps its worker for a second, since most waits are shorter than it takes to open a
trial again; then it gives the worker back, and goes on later, in any, from its checkpoint.
"""

from __future__ import annotations

import time

from raysweep.cluster.nodes import in_one_process, on_this_node
from raysweep.cluster.remote import as_actor, get
from raysweep.config import Config
from raysweep.search.order import Verdict

PATIENCE_S = 1.0
LOOK_EVERY_S = 0.02


class Said:
    """The latest verdict on each trial: an actor. One that was restarted knows none, so what it
    does not know is "wait", and the driver says it again when it hands the trial out again."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[int, Verdict]] = {}

    def say(self, trial: str, bracket: int, verdict: Verdict) -> None:
        """`trial` was judged at `bracket`."""
        self._said[trial] = (bracket, verdict)

    def heard(self, trial: str, bracket: int) -> Verdict:
        """What was said of the trial at that bracket."""
        at, verdict = self._said.get(trial, (0, "wait"))
        return verdict if at == bracket else "wait"


class Gate:
    """Both sides of it: the driver says, trials ask."""

    def __init__(self, config: Config, longest: int | None) -> None:
        """`longest`: the most reports of a trial; None where nobody knows."""
        rule = config.sweep.early_terminate
        assert rule is not None
        self._brackets = frozenset(rule.brackets(longest))
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        self._actor = as_actor(Said, **lasting, **on_this_node()).remote()
        # In local mode nobody else moves while a trial waits.
        self._patience_s = 0.0 if in_one_process() else PATIENCE_S

    def say(self, index: int, bracket: int, verdict: Verdict) -> None:
        """Called by the driver, which waits for no answer."""
        self._actor.say.remote(f"trial-{index:04d}", bracket, verdict)

    def ask(self, trial: str, epochs: int) -> Verdict:
        """Whether a trial that has trained `epochs` epochs goes on; called in its process."""
        if epochs not in self._brackets:
            return "go"
        until = time.monotonic() + self._patience_s
        while True:
            verdict: Verdict = get(self._actor.heard.remote(trial, epochs))
            if verdict != "wait" or time.monotonic() >= until:
                return verdict
            time.sleep(LOOK_EVERY_S)
