"""Describe an exception in one line, with the line of the user's code that raised it."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

from raysweep.errors import RaysweepError

_PACKAGE = str(Path(__file__).parent.parent)
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_STANDARD = sysconfig.get_path("stdlib")

_own: set[str] = set()
"""Top-level modules of targets: the user's own code, installed or not."""


def note_own(module: str) -> None:
    """Treat the top-level package of `module` as the user's own code from now on."""
    _own.add(module.partition(".")[0])


def where_raised(error: BaseException) -> str:
    """Describe `error` as `KeyError: 'x' (nets.py:12 in forward)`: type, first line, location."""
    return f"{type(error).__name__}: {_first_line(error)}".rstrip(": ") + place_of(error)


def place_of(error: BaseException) -> str:
    """Return the location of `error` as ` (nets.py:12 in forward)`.

    It is the innermost line of the user's own code that `error`, or its cause, passed through. If
    there is none, it is the innermost line of the library that raised the error. It is empty if
    raysweep itself raised it.
    """
    found = _origin(error)
    if found is None:
        return ""
    frame, line = found
    function = frame.f_code.co_name
    where = "" if function == "<module>" else f" in {function}"
    return f" ({Path(frame.f_code.co_filename).name}:{line}{where})"


def file_and_line(error: BaseException) -> str | None:
    """Return the location that `place_of` names as `/home/me/nets.py:12`; None if there is none."""
    found = _origin(error)
    return None if found is None else f"{found[0].f_code.co_filename}:{found[1]}"


def passed_own_code(error: BaseException) -> bool:
    """Return whether `error`, or its cause, passed through the user's own code."""
    return any(map(_innermost_own, chain(error)))


def whole_cause(error: BaseException) -> str:
    """Describe `error` as `cause` does, with all lines of the text."""
    place = "" if isinstance(error, RaysweepError) else place_of(error)
    return f"{type(error).__name__}: {_text(error)}".rstrip(": ") + place


def cause(error: BaseException) -> str:
    """Describe `error` as `where_raised` does; raysweep's own errors, which name the culprit, get
    no location."""
    if isinstance(error, RaysweepError):
        return f"{type(error).__name__}: {_first_line(error)}".rstrip(": ")
    return where_raised(error)


def _text(error: BaseException) -> str:
    """Return `str(error)`, even if that raises."""
    with suppress(Exception):
        return str(error).strip()
    return "(its text is unavailable)"


def _first_line(error: BaseException) -> str:
    return next(iter(_text(error).splitlines()), "")


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, then what it was raised from or during."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _origin(error: BaseException) -> tuple[FrameType, int] | None:
    """Find the innermost frame of the user's own code, else of the library that raised the error;
    None if raysweep itself did."""
    found = next(filter(None, map(_innermost_own, chain(error))), None)
    if found is not None:
        return found
    frames = list(traceback.walk_tb(error.__traceback__))
    return None if not frames or _is_within(frames[-1][0], _PACKAGE) else frames[-1]


def _innermost_own(error: BaseException) -> tuple[FrameType, int] | None:
    frames = [each for each in traceback.walk_tb(error.__traceback__) if is_own(each[0])]
    return frames[-1] if frames else None


def is_own(frame: FrameType) -> bool:
    """Whether it is the user's own code, and not raysweep's, a library's or Python's."""
    file = frame.f_code.co_filename
    if file.startswith("<frozen") or _is_within(frame, _PACKAGE):
        return False
    if str(frame.f_globals.get("__name__")).partition(".")[0] in _own:
        return True
    installed = not _INSTALLED.isdisjoint(Path(file).parts) or _is_within(frame, _STANDARD)
    return not (installed or file.startswith("<") or file.endswith(".pyx"))


def _is_within(frame: FrameType, folder: str) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(folder)
