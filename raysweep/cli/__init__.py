"""The commands and their arguments."""

from raysweep.cli.commands import main

__all__ = ["main"]
