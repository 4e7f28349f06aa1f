"""Decide whether the alias `best` moves to a sweep's winner."""

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
    """Return why `best` stays with its holder, in one line; None where it moves to the winner.

    By default it stays where holder and winner were trained on different data sets. The digits may
    have been the fallback for MNIST, or several tasks may share a project.
    """
    if promote == "always":
        return None
    if promote == "if_better":
        return _not_better(winner, holder, metric, goal)
    return other_data(winner, holder)


def other_data(winner: ArtifactVersion, holder: ArtifactVersion) -> str | None:
    """Return why `best` stays with a holder that was trained on another data set, in one line; None
    where both were trained on the same data set, in any version."""
    winners, holders = data_set_of(winner), data_set_of(holder)
    if winners == holders:
        return None
    return (
        f"best stays {holder.ref}, which was trained on {holders or 'unknown data'}, and "
        f"{winner.ref} on {winners or 'unknown data'}; --promote always moves it all the same"
    )


def data_of(model: ArtifactVersion) -> str:
    """Return the `<dataset>-preprocess:vK` on which a model was trained."""
    used: Mapping[str, Any] = model.metadata.get("used", {})
    data = (f"{n}:{version}" for n, version in used.items() if n.endswith(_PREPROCESSED))
    return next(data, "")


def data_set_of(model: ArtifactVersion) -> str:
    """Return the data set on which a model was trained, such as `mnist`; empty where it is not
    recorded."""
    return data_of(model).partition(":")[0].removesuffix(_PREPROCESSED)


def _not_better(
    winner: ArtifactVersion, holder: ArtifactVersion, metric: str, goal: Goal
) -> str | None:
    """Return why the winner is not better than the holder; None where it is.

    Every model records all metrics of its epoch, so the two can be compared by any. A diverged
    model has null, which any number beats."""
    new, old = _score(winner, metric), _score(holder, metric)
    if data_of(winner) != data_of(holder):
        return f"best stays {holder.ref}: it was chosen on other data and cannot be compared"
    if beats(new, old, goal):
        return None
    return f"best stays {holder.ref}: {metric} {old:.6g} is not beaten by {new:.6g}"


def _score(model: ArtifactVersion, metric: str) -> float | None:
    value: float | None = model.metadata.get("metrics", {}).get(metric)
    return value
