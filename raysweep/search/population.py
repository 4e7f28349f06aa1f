"""Population-based training: which trial clones which, and with which values it continues.

Ray's own scheduler is not used: it refuses a Searcher, pauses each trial at each interval and sets
it up again, and in its synchronous mode hangs if the last trial of an interval fails. Here a trial
asks an actor, and continues in its own process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_actor, get
from raysweep.config import (
    Beta,
    Categorical,
    Config,
    Distribution,
    Normal,
    Rounded,
    Steps,
    Uniform,
    count_of,
    multiple,
)
from raysweep.storage.journal import read_journal

FACTORS = (0.8, 1.2)

CALL_RETRIES = 10
"""How often a call is retried whose actor died: another trial's call may have killed it."""


@dataclass(frozen=True)
class Member:
    """A trial at the end of an epoch: its score, its logged checkpoint, and its values."""

    trial: str
    score: float | None
    checkpoint: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Clone:
    """How a trial continues: from another's checkpoint (`trial-checkpoint:vK`), with `values`."""

    parent: str
    checkpoint: str
    values: Mapping[str, Any]


def members(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Member, int, Clone | None]]:
    """Read from a journal's events, in order: each member, its epoch, and what it cloned then."""
    for event in events:
        if event["event"] == "epoch" and event["member"] is not None:
            cloned = event.get("cloned")
            clone = None if cloned is None else Clone(**cloned)
            yield Member(**event["member"]), event["epochs"], clone


class Population:
    """Compares the trials that have reached the same epoch."""

    def __init__(self, config: Config, journal: Path | None = None) -> None:
        """`journal`: the sweep's, with the members that reported to an earlier process."""
        assert config.sweep.pbt is not None
        self._config = config
        self._pbt = config.sweep.pbt
        self._space = config.sweep.space()
        self._sign = 1 if config.sweep.metric.goal == "minimize" else -1
        self._at: dict[int, dict[str, Member]] = {}
        self._decided: dict[tuple[str, int], Clone | None] = {}
        for member, epoch, clone in members(read_journal(journal)) if journal else ():
            self._at.setdefault(epoch, {})[member.trial] = member
            self._decided[member.trial, epoch] = clone

    def report(self, member: Member, epoch: int) -> Clone | None:
        """Record a member after `epoch` epochs. Return what it clones; None: it continues as it is.

        Idempotent: the draws depend only on the sweep's seed, the trial and the epoch, and a trial
        that repeats the epoch after a crash gets the same answer.
        """
        self._at.setdefault(epoch, {})[member.trial] = member
        if (member.trial, epoch) not in self._decided:
            self._decided[member.trial, epoch] = self._decide(member, epoch)
        return self._decided[member.trial, epoch]

    def _decide(self, member: Member, epoch: int) -> Clone | None:
        members = self._at[epoch]
        ranked = sorted(members.values(), key=lambda each: (self._cost(each), each.trial))
        share = min(math.ceil(len(ranked) * self._pbt.quantile), len(ranked) // 2)
        best, worst = ranked[:share], ranked[len(ranked) - share :]
        if member not in worst or self._cost(best[0]) == self._cost(member):
            return None
        rng = Random(f"{self._config.train.seed} {member.trial} {epoch}")
        parent = rng.choice([each for each in best if self._cost(each) < self._cost(member)])
        return Clone(parent.trial, parent.checkpoint, self._perturbed(parent.values, rng))

    def _cost(self, member: Member) -> float:
        """Less is better; a trial that diverged is the worst."""
        score = member.score
        return self._sign * score if score is not None and math.isfinite(score) else math.inf

    def _perturbed(self, values: Mapping[str, Any], rng: Random) -> dict[str, Any]:
        """The parent's values, each changed; one that its field would not take stays."""
        found = {}
        for name, distribution in self._space.items():
            again = rng.random() < self._pbt.resample_probability
            value = distribution.sample(rng) if again else nudged(distribution, values[name], rng)
            fits = self._config.fields().value_problem(name, value) is None
            found[name] = value if fits else values[name]
        return found


def nudged(distribution: Distribution, value: Any, rng: Random) -> Any:
    """Perturb `value` within its distribution.

    A number is multiplied by 0.8 or 1.2, a stepped one changes by at least one step, and a choice
    becomes a neighbour in the list.
    """
    match distribution:
        case Categorical(choices):
            beside = distribution.index(value) + rng.choice((-1, 1))
            return choices[_within(beside, (0, len(choices) - 1))]
        case Steps() | Rounded():
            factor, count = rng.choice(FACTORS), count_of(value, distribution.q)
            step = round(count * (factor - 1)) or (1 if factor > 1 else -1)
            return multiple(_within(count + step, distribution.counts), distribution.q)
        case Uniform() | Beta():
            return _within(value * rng.choice(FACTORS), distribution.bounds)
        case Normal():
            return value * rng.choice(FACTORS)
    return value  # a constant


def _within(value: Any, bounds: tuple[float, float] | None) -> Any:
    return value if bounds is None else min(max(value, bounds[0]), bounds[1])


class SharedPopulation:
    """A trial's handle of the `Population` actor."""

    def __init__(self, config: Config, journal: Path) -> None:
        # A call that kills the actor each time must fail in the end, or its trial would hang.
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": CALL_RETRIES}
        actor = as_actor(Population, **lasting, **on_this_node())  # beside the journal
        self._actor = actor.remote(config, journal)

    def report(self, member: Member, epoch: int) -> Clone | None:
        """See Population."""
        clone: Clone | None = get(self._actor.report.remote(member, epoch))
        return clone
