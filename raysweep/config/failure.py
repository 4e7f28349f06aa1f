"""Why a run failed: the exception, where the user's own code raised it, and its traceback.

The whole traceback is for a run's log. What a person is shown leaves out the frames of libraries:
of thirty frames of Ray, torch and raysweep, two are usually the user's.
"""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

from raysweep.config.raised import cause, chain, file_and_line, is_own, passed_own_code
from raysweep.errors import CodeFailed, RaysweepError

_MOST_FRAMES = 30
"""Frames of a traceback that are shown; an endless recursion has a thousand."""

_MOST_TEXT = 4_000
"""Characters of an exception's own text that are shown."""

_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_DURING = "\nDuring handling of the above exception, another exception occurred:\n\n"


@dataclass(frozen=True)
class Failure:
    """What is told of a run that failed. `error`: the exception in one line, as
    `KeyError: 'x' (nets.py:12 in forward)`. `where`: file and line of the user's innermost frame,
    as `/home/me/nets.py:12`. `traceback`: with the frames of libraries folded. The latter two are
    None where no exception was seen, as of a process that was killed."""

    error: str
    where: str | None = None
    traceback: str | None = None

    @staticmethod
    def of(error: BaseException) -> Failure:
        """Describe `error`. One that `noted_in` has described keeps that description: pickling
        takes an exception's traceback and its cause."""
        noted = getattr(error, "failure", None)
        if isinstance(noted, Failure):
            return noted
        return Failure(cause(error), file_and_line(_raised(error)), folded(_raised(error)))

    def noted_in(self, error: BaseException) -> None:
        """Attach the description to `error`, which takes it along into another process."""
        error.failure = self  # type: ignore[attr-defined]

    def plain(self) -> dict[str, Any]:
        """`Failure(**plain)` is the same again."""
        return asdict(self)

    def to_text(self) -> str:
        """As one text, for Tune."""
        return json.dumps(self.plain())

    @staticmethod
    def from_text(text: str) -> Failure:
        """Read `to_text` back."""
        return Failure(**json.loads(text))


def code_failed(message: str, raised: BaseException) -> CodeFailed:
    """Make the error that tells of what the user's code raised, to be raised from it."""
    failed = CodeFailed(message)
    if pickled(raised) is not None:
        failed.raised = raised
    return failed


def pickled(error: BaseException) -> bytes | None:
    """Pickle an exception of the user's code; None if it could not be read back. Its traceback and
    its cause stay here."""
    with suppress(Exception):  # whatever its class does
        data: bytes = pickle.dumps(error)
        pickle.loads(data)
        return data
    return None


def unpickled(digits: str | None) -> BaseException | None:
    """Read back what `pickled` made, in hexadecimal digits; None if it cannot be read here."""
    with suppress(Exception):  # whatever its class does, and its module may not be here
        error = pickle.loads(bytes.fromhex(digits or ""))
        return error if isinstance(error, BaseException) else None
    return None


def whole(error: BaseException) -> str:
    """Return the whole traceback, as Python prints it."""
    return "".join(traceback.format_exception(error))


def logged(error: BaseException) -> str:
    """Return what a run's log gets of its failure: the whole traceback; where a process has
    `printed` its own, which is in the log already, the message alone."""
    if getattr(error, "printed", False):
        return f"[raysweep: {Failure.of(error).error}]\n"
    return whole(error)


def folded(error: BaseException) -> str:
    """Return the traceback with each run of frames that are not the user's in one line:
    `  … 4 frames of raysweep, torch`. Of an exception without the user's frames the innermost is
    shown."""
    return "".join(_lines(error)).rstrip("\n")


def _raised(error: BaseException) -> BaseException:
    """Return what the user's code raised, of an error of raysweep's that only says so."""
    below = error.__cause__
    says_so = isinstance(error, RaysweepError) and below is not None and passed_own_code(below)
    return below if says_so and below is not None else error


def _lines(error: BaseException) -> Iterator[str]:
    links = list(chain(error))
    for position, each in reversed(list(enumerate(links))):
        if each.__traceback__ is not None:
            yield "Traceback (most recent call last):\n"
            yield from _frames(each)
        text = "".join(traceback.format_exception_only(type(each), each))
        yield text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …\n"
        if position:
            yield _CAUSED if links[position - 1].__cause__ is each else _DURING


def _frames(error: BaseException) -> Iterator[str]:
    walked = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    summaries = list(traceback.extract_tb(error.__traceback__))
    walked = walked[-len(summaries) :]
    shown = [number for number, frame in enumerate(walked) if is_own(frame)]
    shown = shown or [len(walked) - 1]
    if len(shown) > _MOST_FRAMES:
        half = _MOST_FRAMES // 2
        shown = [*shown[:half], *shown[-half:]]
    next_one = 0
    for number in shown:
        yield from _left_out(walked[next_one:number])
        yield from traceback.StackSummary.from_list([summaries[number]]).format()
        next_one = number + 1
    yield from _left_out(walked[next_one:])


def _left_out(frames: list[FrameType]) -> Iterator[str]:
    if frames:
        names = (str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames)
        count = f"{len(frames)} frame{'s' * (len(frames) > 1)}"
        yield f"  … {count} of {', '.join(dict.fromkeys(names))}\n"
