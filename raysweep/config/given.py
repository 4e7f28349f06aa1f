"""What the user wrote, which a sweep's folder keeps beside the resolved config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from raysweep.config.import_path import import_path
from raysweep.config.yaml import dump_yaml


@dataclass(frozen=True)
class Given:
    """What a config was made from. It travels with the config but is not part of it: any two
    compare equal."""

    text: Callable[[], str | None] = field(default=lambda: None, compare=False)
    """Return it as YAML; None where nobody wrote any."""


def from_files(
    file: tuple[Path, str] | None, overrides: Sequence[str], sweep: tuple[Path, str] | None
) -> Given:
    """Keep a config file's text as it is, comments included. `overrides` (`train.epochs=3`) and the
    text of another file that holds the sweep follow as comments, so that the whole stays one
    config; each file is its path and its text. A sweep file alone is the config."""

    def text() -> str | None:
        path, written = file or sweep or (None, "")
        parts = [f"# {path or 'no file: the default sweep'}, as it was given\n"]
        parts += [f"# --set {override}\n" for override in overrides]
        parts.append(written if written.endswith("\n") or not written else f"{written}\n")
        if file is not None and sweep is not None:
            lines = sweep[1].splitlines()
            parts += [f"# sweep: {sweep[0]}\n", *(f"#   {line}".rstrip() + "\n" for line in lines)]
        return "".join(parts)

    return Given(text)


def from_mapping(mapping: Mapping[str, Any]) -> Given:
    """Keep the mapping that a program gave."""

    def text() -> str | None:
        try:
            return dump_yaml(_plain(mapping))
        except yaml.YAMLError:  # a value that YAML has no word for, and the config took
            return None

    return Given(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else import_path(value)
