"""The edge between a trial and Ray Tune: a class Trainable, one report a `step`.

Tune reuses the process for the next trial (`reset_config`), so torch, the data and the tracker's
connection are there already: measured on 2 cores, 0.14 s a trial instead of 1.9 s. torch is
imported in that process alone, by the workload.

Tune takes no checkpoints: a trial keeps its own (see `TrialSession`), and one that Tune starts
again, its process having died, goes on from there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ray import tune

from raysweep.cluster.signals import is_interrupt
from raysweep.config.failure import Failure
from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec
from raysweep.storage.stop import is_of_the_storage
from raysweep.trials.context import TrialContext
from raysweep.trials.reports import result_of, silence_of
from raysweep.trials.trial import TrialSession
from raysweep.trials.work import Workload

if TYPE_CHECKING:
    from raysweep.search.order import Verdict


LOOK_S = 1.0
"""How long a step waits for a report of a trial that is silent. Tune stops one between steps."""


class TrialTrainable(tune.Trainable):
    """Ray Tune's view of a `TrialSession`.

    Nothing is done before the first `step`: Tune prepares actors that it never uses, and an
    exception in `setup` ends the whole process in local mode.
    """

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], workload: Workload, context: TrialContext
    ) -> None:
        """`workload` and `context` come from `tune.with_parameters`."""
        self._workload = workload
        self._context = context
        self._spec = TrialSpec.from_config(config)
        self._session: TrialSession | None = None

    def step(self) -> dict[str, Any]:
        """A report, or word that none came. What the trial raises is a result, too (`failed`): Tune
        would start the trial again, as it must where the process died, and it would raise that
        again. So are sys.exit and the like in parts of the user's own, which would end the
        process."""
        try:
            if self._session is None:
                self._session = TrialSession(self._workload, self._context, self._spec)
            gate, session = self._context.gate, self._session
            verdict = "go" if gate is None else gate.ask(self._spec.name, session.told)
            if verdict != "go":
                return self._at_the_gate(session, verdict)
            if not session.advance(LOOK_S):
                score = session.best.get(self._context.metric)
                return silence_of(self._spec, session.told, score, ended=session.done)
        except BaseException as error:
            if is_interrupt(error) or self._workload.is_worth_another_process(error):
                raise
            return self._failed(error)
        return result_of(self._spec, self._session.report, self._context.metric)

    def _at_the_gate(self, session: TrialSession, verdict: Verdict) -> dict[str, Any]:
        """A result that is no epoch: the trial stops here, or gives its worker back."""
        if verdict == "stop":
            session.close_again()
            result = result_of(self._spec, session.report, self._context.metric)
            return {**result, "gate": verdict, "done": True}
        session.pause()
        self._session = None
        at = {"trial": self._spec.name, "epochs": session.told}
        return {SCORE: math.nan, BEST_SCORE: None, **at, "gate": verdict, "done": True}

    def _failed(self, error: BaseException) -> dict[str, Any]:
        return {
            SCORE: math.nan,
            BEST_SCORE: None,
            "trial": self._spec.name,
            "failed": Failure.of(error).to_text(),
            "storage": is_of_the_storage(error),
            "done": True,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        try:
            self.cleanup()
        except (
            BaseException
        ) as error:  # not the next trial's: the driver looks for this one's model
            if is_interrupt(error):
                raise
        self._spec = TrialSpec.from_config(new_config)
        return True

    def cleanup(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune wants the method, and has no use for it."""

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override]
        """As `save_checkpoint`."""
