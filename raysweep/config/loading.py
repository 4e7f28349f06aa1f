"""Load one config from a file, a sweep file and `--set` overrides; errors name their source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from raysweep.addresses import without_keys
from raysweep.config.explain import Loc, found, one_line, to_config_error
from raysweep.config.fields import field_of
from raysweep.config.given import from_files
from raysweep.config.import_path import look_in
from raysweep.config.notices import notices, space_notices
from raysweep.config.schema import Config, parse
from raysweep.config.space.distributions import Json
from raysweep.config.space.nesting import GROUP, as_written, written_places
from raysweep.config.space.parameter import Parameter
from raysweep.config.sweep import SweepConfig
from raysweep.config.sweep_file import is_sweep_file, runs_a_program
from raysweep.config.yaml import Document, Word, parse_document, read_document
from raysweep.errors import ConfigError


@dataclass(frozen=True)
class _Override:
    text: str
    path: tuple[str, ...]
    value: Json
    words: tuple[Word, ...] = ()

    @property
    def label(self) -> str:
        return f"--set {self.text}"

    def touches(self, loc: Loc) -> bool:
        """Return whether one of `loc` and this path lies at or below the other."""
        return all(here == there for here, there in zip(self.path, loc, strict=False)) and loc != ()


def load_config(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    sweep_file: Path | None = None,
    count: int | None = None,
) -> Config:
    """Load the config of a file (None: the schema's defaults) and apply changes.

    `sweep_file` is a W&B sweep YAML that replaces the `sweep` section. A file's `sweep` may be the
    path of one, relative to the file. Overrides are `a.b=VALUE`, VALUE in YAML; the last one wins.

    `count` is the most trials that may run; a smaller `run_cap` of the file stays.

    Raises ConfigError, in one line, if any of them is wrong.
    """
    file = read_document(path) if path is not None else Document({}, ())
    document, words, given = file.value, list(file.words), file.text
    if path is not None and is_sweep_file(document):
        sweep_file, path, document = sweep_file or path, None, {}  # a sweep file is a whole config
    if path is not None:
        look_in(path.parent)
    if sweep_file is None and path is not None and isinstance(document.get("sweep"), str):
        sweep_file = path.parent / Path(document["sweep"]).expanduser()
    if sweep_file is not None:
        file = read_document(sweep_file)
        document = {**document, "sweep": file.value}
        words = [word for word in words if word.loc[:1] != ("sweep",)]
        words += [Word(("sweep", *loc), text, value) for loc, text, value in file.words]
    if count is not None:
        overrides = [*overrides, f"sweep.run_cap={_at_most(count, document.get('sweep'))}"]
    changes = [_parse_override(text) for text in overrides]
    if changes and "sweep" not in document:
        default_sweep = Config().to_dict()["sweep"]  # so that its keys can be changed one by one
        document = {**document, "sweep": default_sweep}
    changes = [_where_it_is_written(change, document) for change in changes]
    for change in changes:
        document = _set(document, change.path, change)
        words += [Word((*change.path, *loc), text, value) for loc, text, value in change.words]

    def origin(loc: Loc) -> str:
        for change in reversed(changes):
            if change.touches(loc):
                return f"{change.label}: "
        source = sweep_file if sweep_file is not None and loc[:1] == ("sweep",) else path
        return "" if source is None else f"{source}: "

    document = _in_its_directory(document, sweep_file or path)
    config = parse(document, origin, words)
    config._given = from_files(
        None if path is None else (path, given),
        [change.text for change in changes],
        None if sweep_file is None else (sweep_file, file.text),
    )
    _refuse_overrides_without_effect(config, changes)
    return config


def _at_most(count: int, sweep: Json) -> int:
    cap = sweep.get("run_cap") if isinstance(sweep, Mapping) else None
    return min(count, cap) if isinstance(cap, int) and cap > 0 else count


def _in_its_directory(document: dict[str, Json], file: Path | None) -> dict[str, Json]:
    """Say where the sweep's program is run: here, or in the folder of the file that names it where
    the program is there and not here."""
    sweep, section = document.get("sweep"), document.get("program", {})
    if not runs_a_program(sweep) or not isinstance(section, Mapping) or section.get("directory"):
        return document
    assert isinstance(sweep, Mapping)
    program, here = sweep.get("program"), Path.cwd()
    if isinstance(program, str) and file is not None and not (here / program).exists():
        beside = file.resolve().parent
        here = beside if (beside / program).exists() else here
    return {**document, "program": {**section, "directory": str(here)}}


def load_sweep(path: Path) -> tuple[SweepConfig, tuple[str, ...]]:
    """Load a sweep file alone, which may be meant for another program; also return its notices.

    Raises ConfigError, in one line, if it is not a sweep.
    """
    file = read_document(path)

    def origin(loc: Loc) -> str:
        return f"{path}: "

    written = as_written(file.value.get("parameters"), ("parameters",))
    try:
        sweep = SweepConfig.model_validate(file.value)
    except ValidationError as error:
        raise to_config_error(error, SweepConfig, origin, written) from None
    space = space_notices(sweep.parameters, ("parameters",), written, origin)
    return sweep, (*notices(file.value, (), file.words, origin), *space)


def _parse_override(text: str) -> _Override:
    key, equals, value = text.partition("=")
    bare = value.strip().strip("'\"")
    parts = tuple(key.strip().split("."))
    shown = one_line(f"{key}{equals}{value.replace(bare, without_keys(bare))}")
    if not equals or not all(parts):
        raise ConfigError(f"--set {shown}: expected KEY=VALUE, such as train.epochs=3")
    document = parse_document(value, f"--set {shown}")
    return _Override(shown, _parameter_path(parts), document.value, document.words)


def _parameter_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Split `sweep.parameters.model.dropout.values`: the middle is one key, as names have dots."""
    if parts[:2] != ("sweep", "parameters") or len(parts) < 4:
        return parts
    *name, last = (part for part in parts[2:] if part != GROUP)  # nested as the file may be
    if last in Parameter.model_fields:
        return ("sweep", "parameters", ".".join(name), last)
    return ("sweep", "parameters", ".".join((*name, last)))


def _where_it_is_written(change: _Override, document: Mapping[str, Json]) -> _Override:
    """Move a change of `sweep.parameters.optimizer.lr.max` to where the file, which may nest
    parameters, has that key."""
    sweep = document.get("sweep")
    if change.path[:2] != ("sweep", "parameters") or not isinstance(sweep, Mapping):
        return change
    places = written_places(sweep.get("parameters"))
    at = places.get(change.path[2]) if len(change.path) > 2 else None
    if at is None:
        return change
    return replace(change, path=(*change.path[:2], *map(str, at), *change.path[3:]))


def _set(node: Mapping[str, Json], path: tuple[str, ...], change: _Override) -> dict[str, Json]:
    """Return a copy of `node` with the override's value at `path`."""
    key, *rest = path
    if not rest:
        return {**node, key: change.value}
    below = node.get(key, {})
    if not isinstance(below, Mapping):
        raise ConfigError(f"{change.label}: {key} holds {found(below)}, which has no keys to set")
    return {**node, key: _set(below, tuple(rest), change)}


def _refuse_overrides_without_effect(config: Config, changes: Sequence[_Override]) -> None:
    """Raise ConfigError for `--set train.learning_rate=…` if each trial sets that field: the
    override would be lost silently."""
    swept = {field_of(name): name for name in config.sweep.parameters}
    for change in changes:
        if name := swept.get(".".join(change.path)):
            raise ConfigError(
                f"{change.label}: has no effect, since the sweep sets it; "
                f"use --set 'sweep.parameters.{name}={{value: {change.text.partition('=')[2]}}}'"
            )
