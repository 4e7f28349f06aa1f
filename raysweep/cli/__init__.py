"""The commands and their arguments."""

from raysweep.cli.main import main

__all__ = ["main"]
