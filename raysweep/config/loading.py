"""A file, a sweep file and `--set` overrides → one config, with errors that say whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raysweep.config import targets
from raysweep.config.distributions import Json
from raysweep.config.explain import Loc, found, one_line
from raysweep.config.fields import field_of
from raysweep.config.parameter import Parameter
from raysweep.config.schema import Config, parse
from raysweep.config.yaml import parse_yaml, read_mapping
from raysweep.errors import ConfigError


@dataclass(frozen=True)
class _Override:
    text: str
    path: tuple[str, ...]
    value: Json

    @property
    def label(self) -> str:
        return f"--set {self.text}"

    def touches(self, loc: Loc) -> bool:
        """Whether one of `loc` and this path lies at or below the other."""
        return all(here == there for here, there in zip(self.path, loc, strict=False)) and loc != ()


def load_config(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    sweep_file: Path | None = None,
) -> Config:
    """The config of a file (None: the schema's defaults), with changes.

    `sweep_file` is a W&B sweep YAML that replaces the `sweep` section. A file's `sweep` may be the
    path of one, relative to the file. Overrides are `a.b=VALUE`, VALUE in YAML, the last one wins.

    Raises ConfigError, in one line, for whatever is wrong with any of them.
    """
    document = read_mapping(path) if path is not None else {}
    if path is not None:
        targets.look_in(path.parent)
    if sweep_file is None and path is not None and isinstance(document.get("sweep"), str):
        sweep_file = path.parent / Path(document["sweep"]).expanduser()
    if sweep_file is not None:
        document = {**document, "sweep": read_mapping(sweep_file)}
    changes = [_parse_override(text) for text in overrides]
    if changes and "sweep" not in document:
        default_sweep = Config().to_dict()["sweep"]  # so that its keys can be changed one by one
        document = {**document, "sweep": default_sweep}
    for change in changes:
        document = _set(document, change.path, change)

    def origin(loc: Loc) -> str:
        for change in reversed(changes):
            if change.touches(loc):
                return f"{change.label}: "
        file = sweep_file if sweep_file is not None and loc[:1] == ("sweep",) else path
        return "" if file is None else f"{file}: "

    config = parse(document, origin)
    _refuse_overrides_without_effect(config, changes)
    return config


def _parse_override(text: str) -> _Override:
    key, equals, value = text.partition("=")
    parts, shown = tuple(key.strip().split(".")), one_line(text)
    if not equals or not all(parts):
        raise ConfigError(f"--set {shown}: expected KEY=VALUE, such as train.epochs=3")
    return _Override(shown, _parameter_path(parts), parse_yaml(value, f"--set {shown}"))


def _parameter_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    """`sweep.parameters.model.dropout.values`: the middle is one key, since names have dots."""
    if parts[:2] != ("sweep", "parameters") or len(parts) < 4:
        return parts
    *name, last = parts[2:]
    if last in Parameter.model_fields:
        return ("sweep", "parameters", ".".join(name), last)
    return ("sweep", "parameters", ".".join((*name, last)))


def _set(node: Mapping[str, Json], path: tuple[str, ...], change: _Override) -> dict[str, Json]:
    """A copy of `node` with the override's value at `path`."""
    key, *rest = path
    if not rest:
        return {**node, key: change.value}
    below = node.get(key, {})
    if not isinstance(below, Mapping):
        raise ConfigError(f"{change.label}: {key} holds {found(below)}, which has no keys to set")
    return {**node, key: _set(below, tuple(rest), change)}


def _refuse_overrides_without_effect(config: Config, changes: Sequence[_Override]) -> None:
    """`--set train.learning_rate=…` would be lost, silently, where each trial sets that field."""
    swept = {field_of(name): name for name in config.sweep.parameters}
    for change in changes:
        if name := swept.get(".".join(change.path)):
            raise ConfigError(
                f"{change.label}: has no effect, since the sweep sets it; "
                f"use --set 'sweep.parameters.{name}={{value: {change.text.partition('=')[2]}}}'"
            )
