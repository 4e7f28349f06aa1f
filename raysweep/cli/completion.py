"""`completion`: complete the command line in bash, zsh and fish.

argcomplete's script asks the command itself, by an environment variable; it is imported only then,
so that no other call pays for it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raysweep.addresses import is_uri
from raysweep.cli.parser import Parser
from raysweep.invocation import INSTALLED

SHELLS = ("bash", "zsh", "fish")
_ASKED = "_ARGCOMPLETE"


def add_to(commands: Any, common: Parser) -> None:
    """Add the command and its arguments."""
    completion = commands.add_parser(
        "completion",
        help="print a shell's completion script",
        description=f'bash: eval "$({INSTALLED} completion bash)" in ~/.bashrc; zsh: the same '
        "with zsh in ~/.zshrc, after compinit; "
        f"fish: {INSTALLED} completion fish > ~/.config/fish/completions/{INSTALLED}.fish",
    )
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(command="completion", call=_completion, json=False)


def _completion(args: argparse.Namespace) -> None:
    from argcomplete.shell_integration import shellcode

    print(shellcode([INSTALLED], shell=args.shell).strip())


def complete_if_asked(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process, if it is the shell that asks."""
    if _ASKED in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)


def sweeps(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield the names of the storage's sweeps, if it is a folder of this machine."""
    from raysweep.config import Config
    from raysweep.errors import UserError
    from raysweep.storage.record import sweep_names

    storage = getattr(parsed_args, "storage", None) or Config().storage
    if not is_uri(storage):
        try:
            yield from sweep_names(Path(storage))
        except UserError:  # it cannot be read: the command itself says so
            return
