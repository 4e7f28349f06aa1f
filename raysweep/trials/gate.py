"""The gate: a trial asks it at each bracket whether to continue (`early_terminate.order: sweep`).

The driver decides (see `search/order`) and sends its verdict to an actor. Before its next epoch the
trial asks the actor. It keeps its worker for up to a second, since most waits are shorter than
reopening a trial takes. Then it gives the worker back, and continues later from its checkpoint, in
any worker.
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
    """The actor that holds the latest verdict on each trial.

    A restarted actor holds none. It answers "wait" for a trial that it does not know, and the
    driver sends the verdict again when it hands that trial out again."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[int, Verdict]] = {}

    def say(self, trial: str, bracket: int, verdict: Verdict) -> None:
        """Store the verdict on `trial` at `bracket`."""
        self._said[trial] = (bracket, verdict)

    def heard(self, trial: str, bracket: int) -> Verdict:
        """Return the verdict on the trial at that bracket, "wait" where there is none."""
        at, verdict = self._said.get(trial, (0, "wait"))
        return verdict if at == bracket else "wait"


class Gate:
    """A handle to the gate: the driver sends verdicts with `say`, trials read them with `ask`."""

    def __init__(self, config: Config, longest: int | None) -> None:
        """`longest`: the most reports of a trial; None where nobody knows."""
        rule = config.sweep.early_terminate
        assert rule is not None
        self._brackets = frozenset(rule.brackets(longest))
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        self._actor = as_actor(Said, **lasting, **on_this_node()).remote()
        # In local mode the driver cannot decide while a trial waits: they share a thread.
        self._patience_s = 0.0 if in_one_process() else PATIENCE_S

    def say(self, index: int, bracket: int, verdict: Verdict) -> None:
        """Send a verdict to the actor, without waiting for an answer. Called by the driver."""
        self._actor.say.remote(f"trial-{index:04d}", bracket, verdict)

    def ask(self, trial: str, epochs: int) -> Verdict:
        """Return whether a trial that has trained `epochs` epochs continues, after waiting up to
        `PATIENCE_S` for the driver's verdict. Called in the trial's process."""
        if epochs not in self._brackets:
            return "go"
        until = time.monotonic() + self._patience_s
        while True:
            verdict: Verdict = get(self._actor.heard.remote(trial, epochs))
            if verdict != "wait" or time.monotonic() >= until:
                return verdict
            time.sleep(LOOK_EVERY_S)
