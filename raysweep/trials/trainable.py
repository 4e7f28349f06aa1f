"""The adapter between a trial and Ray Tune: a class Trainable, one report a `step`.

Tune reuses the process for the next trial (`reset_config`), so torch, the data and the tracker's
connection are there already: measured on 2 cores, 0.14 s a trial instead of 1.9 s. Only that
process imports torch, in the workload.

Tune takes no checkpoints: a trial saves its own (see `TrialSession`). If its process dies, another
process continues it from there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ray import tune

from raysweep.cluster.faults import note_here
from raysweep.cluster.nodes import in_one_process
from raysweep.cluster.signals import is_interrupt
from raysweep.config.failure import Failure, pickled
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

    It does nothing before the first `step`: Tune sets up actors that it never uses, and an
    exception in `setup` ends the whole process in local mode.
    """

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], workload: Workload, context: TrialContext
    ) -> None:
        """Store the arguments. `workload` and `context` come from `tune.with_parameters`."""
        self._workload = workload
        self._context = context
        self._spec = TrialSpec.from_config(config)
        self._session: TrialSession | None = None

    def is_actor(self) -> bool:
        """Return False in local mode, where Tune would take away IPython's shell as it does from
        actors, and the shell is that of the caller's notebook."""
        return not in_one_process() and bool(super().is_actor())  # type: ignore[no-untyped-call]

    def step(self) -> dict[str, Any]:
        """Return a report, or a result that says that none came (`silent`).

        An exception of the trial becomes a result, too (`failed`): Tune would restart the trial, as
        it does after a process died, and the trial would raise again. So does sys.exit in the
        user's own parts, which would end the process."""
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
        """Return a result without an epoch, after the trial was stopped or gave its worker back."""
        if verdict == "stop":
            session.close_again()
            result = result_of(self._spec, session.report, self._context.metric)
            return {**result, "gate": verdict, "done": True}
        session.pause()
        self._session = None
        at = {"trial": self._spec.name, "epochs": session.told}
        return {SCORE: math.nan, BEST_SCORE: None, **at, "gate": verdict, "done": True}

    def _failed(self, error: BaseException) -> dict[str, Any]:
        raised = pickled(error) if self._context.fail_fast else None
        note_here(error)
        return {
            SCORE: math.nan,
            BEST_SCORE: None,
            "trial": self._spec.name,
            "raised": None if raised is None else raised.hex(),
            "failed": Failure.of(error).to_text(),
            "storage": is_of_the_storage(error),
            "done": True,
        }

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        try:
            self.cleanup()
        # Not an error of the next trial: the driver sees that this one logged no model.
        except BaseException as error:
            if is_interrupt(error):
                raise
        self._spec = TrialSpec.from_config(new_config)
        return True

    def cleanup(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: Tune requires the method, and a trial saves its own checkpoints."""

    def load_checkpoint(self, checkpoint_dir: str) -> None:  # type: ignore[override]
        """Do nothing, as `save_checkpoint`."""
