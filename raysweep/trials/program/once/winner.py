"""Tag what the winner logged, and run `program.after` on it."""

from __future__ import annotations

from contextlib import suppress

from raysweep.cluster.logs import kept
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_task, wait_for
from raysweep.cluster.resources import Resources
from raysweep.cluster.sending import Sent
from raysweep.errors import ArtifactNotFound, TrackingError, WorkerDied
from raysweep.stages.versions import STAGE_RETRIES
from raysweep.storage.sweep_folder import EVALUATE
from raysweep.tracking import ArtifactVersion, RunRecord, Tracker
from raysweep.tracking.port import METADATA_FILE
from raysweep.tracking.store import Store
from raysweep.tracking.winners import left_files, models_of, saved_files
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import Inputs
from raysweep.trials.program import calls
from raysweep.trials.program.calls import Call
from raysweep.trials.program.folder.sent import trials_here
from raysweep.trials.program.once.run import run_once, worker_died
from raysweep.trials.program.scores import flat_summary
from raysweep.trials.work import Evaluated

_NOTHING = "the winner logged no artifact of type model, so nothing is tagged best"


def evaluate(
    context: TrialContext,
    resources: Resources,
    trial: str,
    product: str | None,
    sent: Sent | None = None,
) -> Evaluated:
    """Move the aliases to the models that the trial logged; then run `program.after`, whose
    summary's numbers are the scores."""
    tracker = context.tracker
    run = tracker.run(context.sweep.run_id(trial))
    models = models_of(tracker, run)
    reason = "; ".join(_promoted(tracker, model, context.sweep.name) for model in models)
    call = calls.after(context.config)
    summary = {} if call is None else _run_after(context, resources, call, sent)
    main = next((model for model in models if model.ref == product), None)
    return Evaluated(
        scores=flat_summary(summary),
        promoted=bool(models),
        reason=reason or f"{_NOTHING}; {_instead(context, run, trial)}",
        artifacts=made_of(tracker, run),
        file=None if main is None else _only_file(main, alone=len(models) == 1),
        products=tuple(model.ref for model in models),
    )


def _instead(context: TrialContext, run: RunRecord, trial: str) -> str:
    """Say what `best --download` finds of a winner that logged no model."""
    own = trials_here(context.inputs) / trial
    store: Store = context.tracker.store  # type: ignore[attr-defined]
    if saved_files(store, run.id) or left_files(own, run.id):
        return "`best --download` copies the files that it saved"
    if own.is_dir():
        return "`best --download` copies what it left in its folder"
    return "it saved no file, either"


def _promoted(tracker: Tracker, model: ArtifactVersion, sweep: str) -> str:
    was = ""
    with suppress(ArtifactNotFound):
        holder = tracker.artifact(f"{model.name}:best").ref
        was = "" if holder == model.ref else f", was {holder}"
    for alias in ("best", f"best-{sweep}"):
        tracker.set_alias(model.ref, alias)
    return f"best is {model.ref}{was}"


def _only_file(model: ArtifactVersion, *, alone: bool) -> str:
    """Return the model's file, if it is one; else the empty path: their folder."""
    files = [file.path for file in model.files if file.path != METADATA_FILE]
    return files[0] if alone and len(files) == 1 else ""


def _run_after(
    context: TrialContext, resources: Resources, call: Call, sent: Sent | None
) -> dict[str, object]:
    """Run the program; without a GPU on this node, which has the user's files."""
    options = {"num_cpus": 0, **on_this_node()}
    if resources.gpus:
        options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
    task = as_task(kept, max_retries=STAGE_RETRIES, **options)
    place = context.inputs if isinstance(context.inputs, Inputs) else context.inputs.parent
    given = (context.tracker, context.sweep, context.config, call, place, context.threads)
    try:
        done = task.remote(context.logs, EVALUATE, run_once, *given, sent=sent)
        return dict(wait_for(done).summary)
    except WorkerDied as error:
        raise worker_died(call) from error


def made_of(tracker: Tracker, run: RunRecord) -> dict[str, str]:
    """Return the versions that the run used, and those that they were made from, the first ones
    first: name → version."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    # A stack, and no recursion: a model that each sweep continues has thousands of generations.
    # True: what the version was made from is in `found`.
    stack = [(ref, False) for ref in reversed(run.used)]
    while stack:
        ref, complete = stack.pop()
        if complete:
            name, _, version = ref.partition(":")
            found[name] = version
        elif ref not in seen:
            seen.add(ref)
            stack.append((ref, True))
            stack += [(each, False) for each in reversed(_inputs_of(tracker, ref, run))]
    return found


def _inputs_of(tracker: Tracker, ref: str, run: RunRecord) -> tuple[str, ...]:
    """Return what the run that logged the version used; nothing where that is `run`."""
    with suppress(TrackingError):  # it or its run is gone: this much is known
        producer = tracker.artifact(ref).producer
        if producer is not None and producer != run.id:
            return tracker.run(producer).used
    return ()
