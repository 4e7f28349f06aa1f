"""`early_terminate` with `order: sweep`: hyperband in which timing has no say.

A trial is held, at each bracket, against the trials before it in the sweep that come to that
bracket, whenever they do. These are the trials that it would be held against if trials ran one
after the other; so what is decided is what one worker would have decided.

No trial waits for ever: it waits for earlier ones only, the first that has not ended waits for
nobody, and one that waits gives its worker back (see `trials/gate`), so that no number of waiting
trials keeps an earlier one from a worker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

Verdict = Literal["go", "stop", "wait"]


class SweepOrder:
    """Which trial goes on past a bracket, is stopped there, or has to wait for those before it."""

    def __init__(
        self,
        brackets: Sequence[int],
        *,
        eta: int,
        goal: str,
        strict: bool = False,
        say: Callable[[int, int, Verdict], None] = lambda index, bracket, verdict: None,
    ) -> None:
        """`brackets`, `eta`, `goal` and `strict`: as `Brackets` has them. `say` is told of each
        verdict but "wait", with the trial's place in the sweep and the bracket."""
        self._at: dict[int, dict[int, float]] = {bracket: {} for bracket in brackets}
        self._eta = eta
        self._sign = 1 if goal == "minimize" else -1
        self._strict = strict
        self._say = say
        self._under_way: set[int] = set()
        self._best: dict[int, float] = {}
        self._waiting: dict[int, tuple[int, float]] = {}  # its bracket, and what is judged
        self._verdicts: dict[int, tuple[int, Verdict]] = {}

    def start(self, index: int) -> None:
        """The trial has started. Trials do so in the order of the sweep."""
        self._under_way.add(index)

    def report(self, index: int, epoch: int, value: float, *, last: bool = False) -> None:
        """The metric came to `value` in the trial's epoch `epoch`, from 1. Twice is once; its
        `last` epoch is judged no more, and others are held against it."""
        value = self._sign * value if math.isfinite(value) else math.inf
        best = self._best[index] = min(value, self._best.get(index, math.inf))
        there = self._at.get(epoch)
        if there is None or index in there:
            return
        there[index] = value
        if index in self._under_way and not last:
            self._waiting[index] = (epoch, value if self._strict else best)
        self._settle()

    def end(self, index: int) -> None:
        """The trial has ended, however it did: it comes to no other bracket."""
        self._under_way.discard(index)
        self._waiting.pop(index, None)
        self._settle()

    def forget(self, index: int) -> None:
        """The trial starts anew. What others were told stands."""
        for there in self._at.values():
            there.pop(index, None)
        self._best.pop(index, None)
        self._verdicts.pop(index, None)

    def verdict(self, index: int) -> Verdict:
        """On the trial, at the bracket that it has come to last."""
        if index in self._waiting:
            return "wait"
        return self._verdicts[index][1] if index in self._verdicts else "go"

    def overrule(self, index: int) -> None:
        """Stop a trial that waited: the sweep has come to its end meanwhile."""
        bracket, _ = self._verdicts[index]
        self._decide(index, bracket, "stop")

    def say_again(self, index: int) -> None:
        """Whoever was told may have died since."""
        if index in self._verdicts and index not in self._waiting:
            self._say(index, *self._verdicts[index])

    def _settle(self) -> None:
        """In order, since a verdict changes for whom later trials wait."""
        for index in sorted(self._waiting):
            bracket, judged = self._waiting[index]
            verdict = self._judge(index, bracket, judged)
            if verdict != "wait":
                del self._waiting[index]
                self._decide(index, bracket, verdict)

    def _decide(self, index: int, bracket: int, verdict: Verdict) -> None:
        self._verdicts[index] = (bracket, verdict)
        if verdict == "stop":
            self._under_way.discard(index)
        self._say(index, bracket, verdict)

    def _judge(self, index: int, bracket: int, judged: float) -> Verdict:
        """It is stopped where more than n / eta (rounded down) of the n trials there, itself among
        them, are better. "wait" only while those that are still to come could change that."""
        before = [value for other, value in self._at[bracket].items() if other < index]
        better = sum(value < judged for value in before)
        there = self._at[bracket]
        coming = sum(other < index and other not in there for other in self._under_way)
        most = (len(before) + 1 + coming) // self._eta
        if better > most:  # were all that come worse
            return "stop"
        return "go" if better + coming <= most else "wait"  # were all that come better
