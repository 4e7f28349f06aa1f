"""YAML, read safely: numbers such as 1e-3 are numbers, and a key given twice is an error."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from raysweep.config.distributions import Json
from raysweep.config.explain import found, one_line
from raysweep.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, put right in two places."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<` brings in keys that the mapping's own may replace
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # a list as a key: PyYAML's own error, below
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {one_line(str(key))} is given twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a dot and a signed exponent in a float: to PyYAML 1e-3 and 1.0e3 are text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+\Z"),
    list("-+.0123456789"),
)


def read_mapping(path: Path) -> dict[str, Json]:
    """The mapping in a YAML file.

    Raises ConfigError for a file that is missing, unreadable, not text, not YAML or no mapping.
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
    document = parse_yaml(text, str(path))
    if isinstance(document, dict):
        return document
    shown = "nothing" if document is None else found(document)
    raise ConfigError(f"{path}: expected a mapping of keys to values, got {shown}")


def parse_yaml(text: str, source: str) -> Json:
    """One YAML document. Raises ConfigError, which begins with `source`, where it is not YAML."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply for a config") from None
    except ValueError as error:  # a date such as 2024-13-45, an integer of 5,000 digits
        raise ConfigError(f"{source}: not YAML: {error}") from None
