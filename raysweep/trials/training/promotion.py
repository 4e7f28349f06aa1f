"""Whether the alias `best` moves to a sweep's winner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from raysweep.selection import Goal, beats
from raysweep.tracking import ArtifactVersion

Promote = Literal["always", "if_better"] | None
"""`tracking.promote`."""

_PREPROCESSED = "-preprocess"


def refusal(
    winner: ArtifactVersion, holder: ArtifactVersion, metric: str, goal: Goal, promote: Promote
) -> str | None:
    """Why `best` stays with its holder, in one line; None where it moves to the winner.

    By default it does not leave a model of another data set: nobody asked for another task, where
    the digits stood in for MNIST, or where a project is shared.
    """
    if promote == "always":
        return None
    if promote == "if_better":
        return _not_better(winner, holder, metric, goal)
    return other_data(winner, holder)


def other_data(winner: ArtifactVersion, holder: ArtifactVersion) -> str | None:
    """Why `best` stays with a holder that was trained on another data set, in one line; None where
    both were trained on the same, whichever version of it."""
    mine, theirs = data_set_of(winner), data_set_of(holder)
    if mine == theirs:
        return None
    return (
        f"best stays {holder.ref}, which was trained on {theirs or 'unknown data'}, and "
        f"{winner.ref} on {mine or 'unknown data'}; --promote always moves it all the same"
    )


def data_of(model: ArtifactVersion) -> str:
    """The `<dataset>-preprocess:vK` that a trained model was trained on."""
    used: Mapping[str, Any] = model.metadata.get("used", {})
    data = (f"{n}:{version}" for n, version in used.items() if n.endswith(_PREPROCESSED))
    return next(data, "")


def data_set_of(model: ArtifactVersion) -> str:
    """The data set that a trained model was trained on: `mnist`; empty where it is not recorded."""
    return data_of(model).partition(":")[0].removesuffix(_PREPROCESSED)


def _not_better(
    winner: ArtifactVersion, holder: ArtifactVersion, metric: str, goal: Goal
) -> str | None:
    """Every model records every metric of its epoch, whichever it was chosen on; a diverged one has
    null, which any number beats."""
    mine, theirs = _score(winner, metric), _score(holder, metric)
    if data_of(winner) != data_of(holder):
        return f"best stays {holder.ref}: it was chosen on other data and cannot be compared"
    if beats(mine, theirs, goal):
        return None
    return f"best stays {holder.ref}: {metric} {theirs:.6g} is not beaten by {mine:.6g}"


def _score(model: ArtifactVersion, metric: str) -> float | None:
    value: float | None = model.metadata.get("metrics", {}).get(metric)
    return value
