"""A trial's command line, with W&B's macros expanded as W&B's agent expands them.

Source: `wandb.sdk.launch.sweeps.utils` and `wandb.wandb_agent` of the client, which tests hold this
against. They are not called: importing them takes each worker a second.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
"""The command of a sweep file that gives none."""

ENV = "/usr/bin/env"

MACROS = (
    "env",
    "interpreter",
    "program",
    "args",
    "args_no_equals",
    "args_no_hyphens",
    "args_no_boolean_flags",
    "args_append_hydra",
    "args_override_hydra",
    "args_json",
    "args_json_file",
)

_ENVVAR = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_MACRO = re.compile(r"\$\{([^}]*)\}")


def unknown_macro(command: Sequence[str]) -> str | None:
    """Return the first macro of the command that W&B does not know; None where it knows all."""
    for item in command:
        match = _MACRO.fullmatch(_ENVVAR.sub("", item))
        if match and match[1] not in MACROS:
            return match[0]
    return None


def expand(
    command: Sequence[str],
    program: str | None,
    values: Mapping[str, Any],
    json_file: Path | None = None,
    python: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Return the command line of a trial with these values. `json_file` is written if the command
    asks for it; None: the command names one, and nothing is written."""
    macros = {
        "env": [ENV],
        "interpreter": [python or sys.executable],
        "program": [] if program is None else [program],
        **arguments(values),
    }
    words: list[str] = []
    for item in command:
        item = _ENVVAR.sub(lambda match: environ.get(match[1], match[1]), item)
        match = _MACRO.fullmatch(item)
        if match is None:
            words.append(item)
        elif match[1] == "args_json_file":
            if json_file is not None:
                json_file.write_text(macros["args_json"][0])
            words.append(str(json_file or "args.json"))
        else:
            words += macros.get(match[1], [])
    return words


def python_of(words: Sequence[str]) -> str | None:
    """Return the path of the Python that a command line runs; None where that is not said."""
    for word in words:
        if re.fullmatch(r"python[\d.]*", Path(word).name):
            return shutil.which(word) or word
        if word != ENV and "=" not in word:
            return None
    return None


def arguments(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the macros of a trial's values. A value is written as Python's str: True, None."""
    flags = [f"{name}={value}" for name, value in values.items()]
    return {
        "args": [f"--{flag}" for flag in flags],
        "args_no_equals": [
            word for name, value in values.items() for word in (f"--{name}", str(value))
        ],
        "args_no_hyphens": flags,
        "args_no_boolean_flags": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in values.items()
            if value is not False
        ],
        "args_append_hydra": [f"+{flag}" for flag in flags],
        "args_override_hydra": [f"++{flag}" for flag in flags],
        "args_json": [json.dumps(dict(values))],
    }


def nested(values: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Nest the values of those parameters that the sweep file nests: `paths` are theirs."""
    of_name = {".".join(path): path for path in paths}
    whole: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = of_name.get(name, (name,))
        below = whole
        for group in groups:
            below = below.setdefault(group, {})
        below[last] = value
    return whole
