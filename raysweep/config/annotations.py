"""Map a signature's types to what YAML can hold: no type is guessed, but a list may be a tuple."""

from __future__ import annotations

import collections.abc
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field

_STRICT = (int, float, str, bool, bytes, type(None), Any, list, dict)
"""Types that YAML has itself: "3" is text and not a number."""

_HOLDERS = (list, dict, collections.abc.Sequence, collections.abc.Mapping)


def as_written(annotation: Any) -> Any:
    """Relax `annotation` to accept what YAML has for it: a list for a tuple, text for a Path.

    Numbers inside stay strict.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _STRICT or origin is Literal:
        return annotation
    if origin is Annotated:
        inner, *constraints = arguments
        return Annotated[(as_written(inner), *constraints)]
    if origin in (Union, types.UnionType):
        return Union[tuple(as_written(each) for each in arguments)]  # noqa: UP007
    if origin in _HOLDERS:
        return origin[tuple(as_written(each) for each in arguments)]
    if origin is not None and arguments:
        parts = tuple(each if each is ... else as_written(each) for each in arguments)
        return Annotated[origin[parts], Field(strict=False)]
    return Annotated[annotation, Field(strict=False)]
