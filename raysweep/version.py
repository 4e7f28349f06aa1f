"""The version, from the installed package's own metadata, so that it is written once."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("raysweep")
