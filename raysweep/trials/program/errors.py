"""How a program's trial fails."""

from __future__ import annotations


class ProgramFailed(Exception):
    """The program ended with another exit code than 0, took too long, or logged no score."""


class ProgramKilled(Exception):
    """The program was killed by a signal that raysweep did not send: out of memory, perhaps."""
