"""Combine the scores of a configuration's repeats, which differ in their seed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from raysweep.selection import Candidate, Goal, has_score, rank


@dataclass(frozen=True)
class Configuration:
    """The trials of one configuration, best first, and the finite scores among them."""

    trials: tuple[Candidate, ...]
    scores: tuple[float, ...]
    repeats: int

    @property
    def whole(self) -> bool:
        """Whether every repeat finished with a finite score."""
        return len(self.scores) == self.repeats

    @property
    def mean(self) -> float | None:
        """The mean of the scores; None if there is none."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def std(self) -> float | None:
        """The scores' sample standard deviation; None if there are fewer than two."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


def rank_configurations(
    candidates: Iterable[Candidate], metric: str, goal: Goal, repeats: int
) -> list[Configuration]:
    """Rank the configurations, best mean first.

    A configuration with a missing repeat (it failed, or the sweep ended before it) comes after all
    complete ones, since the mean of the others may be luck. Ties go to the earlier one. Those
    without any score come last, in the order of the sweep.
    """
    groups: dict[int, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda each: each.index):
        groups.setdefault(candidate.index - candidate.repeat, []).append(candidate)
    found = {first: _configuration(group, metric, goal, repeats) for first, group in groups.items()}

    def key(first: int) -> tuple[bool, bool, float, int]:
        configuration = found[first]
        mean = configuration.mean
        if mean is None:
            return (True, True, 0.0, first)
        return (False, not configuration.whole, mean if goal == "minimize" else -mean, first)

    return [found[first] for first in sorted(found, key=key)]


def cannot_win(candidates: Iterable[Candidate], metric: str, goal: Goal, repeats: int) -> set[int]:
    """Return the indices of the finished trials that lose however the others end, those included
    that failed and are run again.

    Within a configuration these are all but its best. Of a configuration whose repeats are all
    there, these are all, if the mean of another one, whose repeats are all there, is better. One
    that lacks a repeat may still get it, and be the best then.
    """
    ranked = rank_configurations(candidates, metric, goal, repeats)
    lost = set[int]()
    for place, configuration in enumerate(ranked):
        behind = configuration.whole and place > 0  # whole ones come first
        for trial in configuration.trials[0 if behind else 1 :]:
            if trial.finished and configuration.scores:
                lost.add(trial.index)
    return lost


def _configuration(group: list[Candidate], metric: str, goal: Goal, repeats: int) -> Configuration:
    trials = tuple(rank(group, metric, goal))
    scores = tuple(
        trial.best[metric] for trial in trials if trial.best and has_score(trial, metric)
    )
    return Configuration(trials, scores, repeats)
