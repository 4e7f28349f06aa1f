"""Read YAML safely: numbers such as 1e-3 are numbers, and a duplicate key is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from raysweep.config.explain import Loc, found, one_line
from raysweep.config.space.distributions import Json
from raysweep.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, corrected in two places."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<` merges keys, which the mapping's own keys may replace
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, bool) and not self._is_spelt_out(key_node):
                raise _Ambiguous(
                    problem=f"the key {key_node.value} is {str(key).lower()} in YAML; put it in "
                    f'quotes: "{key_node.value}"',
                    problem_mark=key_node.start_mark,
                )
            if not isinstance(key, Hashable):
                continue  # a list as a key: PyYAML's own error, below
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {one_line(str(key))} is given twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    @staticmethod
    def _is_spelt_out(node: yaml.Node) -> bool:
        """Whether a boolean was written as true or false, not as a word that YAML converts."""
        return str(node.value).lower() in ("true", "false")


class _Ambiguous(yaml.constructor.ConstructorError):
    """Valid YAML that its author hardly meant."""


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loader would read as a number."""


# YAML 1.1 wants a dot and a signed exponent in a float: to PyYAML 1e-3 and 1.0e3 are text.
for _either in (_Loader, _Dumper):
    _either.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
        list("-+.0123456789"),
    )


def dump_yaml(value: Json) -> str:
    """Serialize `value`; the text loads as an equal value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


class Word(NamedTuple):
    """A boolean written as `no`, `off`, `yes` or `on`, which may have been meant as a word."""

    loc: Loc
    text: str
    value: bool


@dataclass(frozen=True)
class Document:
    """The content of a YAML document, its booleans that were written as words, and its text."""

    value: Json
    words: tuple[Word, ...]
    text: str = ""


def read_mapping(path: Path) -> dict[str, Json]:
    """Read the mapping in a YAML file. Raises ConfigError as `read_document` does."""
    mapping: dict[str, Json] = read_document(path).value
    return mapping


def read_document(path: Path) -> Document:
    """Read the mapping in a YAML file, with its booleans written as words.

    Raises ConfigError if the file is missing, unreadable, not text, not YAML or not a mapping.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, looked for in {path.absolute().parent}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not a text file (byte {error.start} is not UTF-8); a config is YAML"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    document = parse_document(text, str(path))
    if isinstance(document.value, dict):
        return document
    shown = "nothing" if document.value is None else found(document.value)
    raise ConfigError(f"{path}: expected a mapping of keys to values, got {shown}")


def parse_document(text: str, source: str) -> Document:
    """Parse one YAML document. Raises ConfigError, which begins with `source`, if it is invalid."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, (), text)
        words = tuple(_words(node, (), frozenset()))
        return Document(loader.construct_document(node), words, text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = "" if isinstance(error, _Ambiguous) else "not YAML: "
        raise ConfigError(f"{source}{where}: {what}{error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply for a config") from None
    except ValueError as error:  # a date such as 2024-13-45, an integer of 5,000 digits
        raise ConfigError(f"{source}: not YAML: {error}") from None


def _words(node: yaml.Node, loc: Loc, above: frozenset[int]) -> Iterator[Word]:
    """Yield the booleans below `node` that are written neither `true` nor `false`."""
    if id(node) in above:
        return  # an alias to a node that contains it
    above = above | {id(node)}
    if isinstance(node, yaml.ScalarNode):
        text = node.value.lower()
        if node.tag == "tag:yaml.org,2002:bool" and text not in ("true", "false"):
            yield Word(loc, node.value, text in ("yes", "on"))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _words(item, (*loc, index), above)
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            yield from _words(item, (*loc, str(key.value)), above)
