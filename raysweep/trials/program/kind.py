"""What sweeps of programs say of themselves without importing it: commands that only read ask."""

from __future__ import annotations

from raysweep.events import Display

DISPLAY = Display(
    step="row", preparing="looking at the program", goes_on=("starts again", "start again")
)
