"""Selection against an oracle that was written the long way round."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from raysweep.events import TrialState, TrialUpdated
from raysweep.search.repeats import rank_configurations
from raysweep.selection import (
    Candidate,
    Goal,
    Metrics,
    beats,
    best_epoch,
    has_score,
    rank,
)

METRIC = "validation/loss"

unhurried = settings(deadline=None)  # a busy machine is no failure

# A few values over and over, so that ties are common.
values = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 0.25, 0.5, 1e308])
epochs = st.one_of(
    st.fixed_dictionaries({METRIC: values}),
    st.fixed_dictionaries({METRIC: st.floats()}),
    st.just({"train/loss": 0.1}),  # the metric is missing
)
histories = st.lists(epochs, max_size=5)
goals: st.SearchStrategy[Goal] = st.sampled_from(["minimize", "maximize"])
states: st.SearchStrategy[TrialState] = st.sampled_from(
    ["running", "completed", "stopped", "failed"]
)
sweeps = st.lists(st.tuples(states, histories), max_size=8)


def candidates_of(sweep: Sequence[tuple[TrialState, list[Metrics]]], goal: Goal) -> list[Candidate]:
    """The trials as a sweep hands them to selection."""
    return [
        TrialUpdated(
            index,
            f"trial-{index:04d}",
            state,
            {},
            len(history),
            5,
            best=best_epoch(history, METRIC, goal),
        ).candidate()
        for index, (state, history) in enumerate(sweep)
    ]


def best_trial(candidates: Sequence[Candidate], metric: str, goal: Goal) -> Candidate | None:
    """The winner where no configuration is repeated."""
    ranked = rank_configurations(candidates, metric, goal, repeats=1)
    return ranked[0].trials[0] if ranked and ranked[0].scores else None


def finite(metrics: Metrics) -> bool:
    return METRIC in metrics and math.isfinite(metrics[METRIC])


def better(one: float, other: float, goal: Goal) -> bool:
    return one < other if goal == "minimize" else one > other


@unhurried
@given(histories, goals)
def test_the_best_epoch_is_the_first_that_no_other_beats(
    history: list[Metrics], goal: Goal
) -> None:
    oracle = [
        epoch
        for epoch in history
        if finite(epoch)
        and not any(
            better(other[METRIC], epoch[METRIC], goal) for other in history if finite(other)
        )
    ]
    assert best_epoch(history, METRIC, goal) is (oracle[0] if oracle else None)


@unhurried
@given(sweeps, goals)
def test_the_winner_is_the_first_finished_trial_that_no_other_beats(
    sweep: list[tuple[TrialState, list[Metrics]]], goal: Goal
) -> None:
    scores = {
        index: [epoch[METRIC] for epoch in history if finite(epoch)]
        for index, (state, history) in enumerate(sweep)
        if state in ("completed", "stopped")
    }
    everything = [score for of_trial in scores.values() for score in of_trial]
    winner = best_trial(candidates_of(sweep, goal), METRIC, goal)
    if not everything:
        assert winner is None
        return
    top = min(everything) if goal == "minimize" else max(everything)
    assert winner is not None
    assert winner.index == next(index for index, of_trial in scores.items() if top in of_trial)
    assert winner.best is not None
    assert winner.best[METRIC] == top


@unhurried
@given(sweeps, goals)
def test_rank_is_a_permutation_with_what_cannot_win_at_the_end(
    sweep: list[tuple[TrialState, list[Metrics]]], goal: Goal
) -> None:
    candidates = candidates_of(sweep, goal)
    ranked = rank(reversed(candidates), METRIC, goal)  # the order they come in counts for nothing
    assert sorted(c.index for c in ranked) == [c.index for c in candidates]
    scored = [c for c in ranked if has_score(c, METRIC)]
    assert ranked[: len(scored)] == scored
    rest = [c.index for c in ranked[len(scored) :]]
    assert rest == sorted(rest)
    for first, second in itertools.pairwise(scored):
        assert first.best is not None
        assert second.best is not None
        one, other = first.best[METRIC], second.best[METRIC]
        assert not better(other, one, goal)
        assert one != other or first.index < second.index


@unhurried
@given(st.none() | st.floats(), st.none() | st.floats(), goals)
def test_nothing_beats_itself_and_no_two_beat_each_other(
    one: float | None, other: float | None, goal: Goal
) -> None:
    assert not beats(one, one, goal)
    assert not (beats(one, other, goal) and beats(other, one, goal))


def test_a_running_trial_counts_only_where_the_best_so_far_is_asked_for() -> None:
    trial = TrialUpdated(0, "trial-0000", "running", {}, 1, 3, best={METRIC: 0.5})
    assert best_trial([trial.candidate()], METRIC, "minimize") is None
    assert best_trial([trial.candidate(so_far=True)], METRIC, "minimize") is not None
    failed = TrialUpdated(0, "trial-0000", "failed", {}, 1, 3, best={METRIC: 0.5})
    assert best_trial([failed.candidate(so_far=True)], METRIC, "minimize") is None


def test_all_failed_is_no_winner() -> None:
    failed = [Candidate(i, finished=False, best={METRIC: 0.1}) for i in range(3)]
    assert best_trial(failed, METRIC, "minimize") is None
    assert best_trial([], METRIC, "minimize") is None
