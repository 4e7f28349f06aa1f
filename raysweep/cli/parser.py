"""A parser of arguments that answers a misspelt name with the nearest known one."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Parser(argparse.ArgumentParser):
    """A parser that answers a misspelt option, command or choice with the nearest known one."""

    commands: Mapping[str, Parser] = {}

    def hint(self, unknown: Sequence[str]) -> str:
        """`; did you mean --local-mode?` for the first unknown option that has a near one."""
        known = [option for action in self._actions for option in action.option_strings]
        options = [each.partition("=")[0] for each in unknown if each.startswith("-")]
        return next((near for each in options if (near := _nearest(each, known))), "")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = _nearest(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{near}") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    import difflib  # takes 5 ms: only for wrong commands

    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def positive(text: str) -> int:
    """Parse an integer from 1."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected an integer from 1, got {text}")
    return int(text)


def count(text: str) -> int:
    """Parse an integer from 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected an integer from 0, got {text}")
    return int(text)
