"""What every section of a config is: frozen, strict, and closed to unknown keys."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of keys: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    _fixed: ClassVar[frozenset[str]] = frozenset()
    """Keys that are fixed for the sweep: no parameter may set them."""

    takes_target: ClassVar[bool] = False
    """Whether the section accepts `target`, for a custom part (see `config.targets`)."""
