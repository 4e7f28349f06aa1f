"""The programs of `program.before` and `program.after`: their command lines, and their names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.storage.sweep_folder import EVALUATE
from raysweep.tracking.links import REPORT
from raysweep.trials.program.process import command

MACROS = ("env", "interpreter")
"""The macros that such a command may have, besides ${envvar:NAME}: it has no trial's values."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_TRIAL = re.compile(r"trial-\d+")


@dataclass(frozen=True)
class Call:
    """A program that runs once in a sweep. `name`: of its run and its log, `load`; `where`: the key
    that names it; `words`: its command line, with macros."""

    name: str
    job_type: str
    where: str
    words: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The command as a person wrote it."""
        return " ".join(word for word in self.words if word not in ("${env}", "${interpreter}"))

    @property
    def script(self) -> str | None:
        """The script that the command runs, `load.py`; None where no word names one, or a macro is
        a part of it."""
        script = _script(self.words)
        return None if script is None or "${" in script else script

    def expanded(self, config: Config, environ: Mapping[str, str]) -> list[str]:
        """Return the command line to run."""
        python = config.program.python
        return command.expand(self.words, None, {}, python=python, environ=environ)


def users_folder(config: Config) -> Path:
    """Return the folder that programs run in, or have the entries of."""
    return Path(config.program.directory or Path.cwd())


def before(config: Config) -> list[Call]:
    """Return the programs that run before the trials. Each has a name of its own."""
    calls: list[Call] = []
    for number, given in enumerate(config.program.before):
        stem = _stem(given)
        name = _free(stem, number + 1, {call.name for call in calls} | {REPORT, EVALUATE})
        calls.append(Call(name, stem, f"program.before[{number}]", _words(given)))
    return calls


def _free(stem: str, number: int, taken: AbstractSet[str]) -> str:
    """Return a name that nothing in the sweep has: `load`, else `load-2`, the first that is free
    from `number` on. `trial-2` is a trial's."""
    if stem not in taken and not _TRIAL.fullmatch(stem):
        return stem
    base = "trial-program" if stem == "trial" else stem
    names = (f"{base}-{count}" for count in itertools.count(number))
    return next(name for name in names if name not in taken)


def after(config: Config) -> Call | None:
    """Return the program that runs after the trials, if there is one."""
    given = config.program.after
    return None if given is None else Call(REPORT, _stem(given), "program.after", _words(given))


def check(call: Call) -> None:
    """Raise a UserError for a macro that means nothing here."""
    for word in call.words:
        unknown = command.unknown_macro([word])
        if unknown is not None or (word.startswith("${") and not _may_have(word)):
            known = ", ".join(f"${{{name}}}" for name in MACROS)
            raise UserError(
                f"{call.where}: {unknown or word} means nothing to a program that runs once; "
                f"there are {known}, ${{envvar:NAME}}"
            )


def _may_have(word: str) -> bool:
    return word[2:-1] in MACROS or word.startswith("${envvar:")


def _words(given: Sequence[str]) -> tuple[str, ...]:
    """Put the Python before a file of Python."""
    return ("${env}", "${interpreter}", *given) if given[0].endswith(".py") else tuple(given)


def _stem(given: Sequence[str]) -> str:
    """Return `load` of `load.py`, of `python -m pkg.load`, of `bash load.sh` and of `./load`."""
    words = [word for word in given if not word.startswith("${")]
    modules = [after for flag, after in itertools.pairwise(words) if flag == "-m"]
    script = _script(given)
    first = script or [*(each.rpartition(".")[2] for each in modules), *words, "program"][0]
    return _NO_NAME.sub("-", Path(first).stem).strip("-.") or "program"


def _script(given: Sequence[str]) -> str | None:
    """Return the first word that names a file of Python or of a shell, before any `-m`. What
    follows is an argument, as `--out=made.py` is."""
    for word in given:
        if word == "-m":
            return None
        if word.endswith((".py", ".sh")) and not word.startswith(("-", "${")) and "=" not in word:
            return word
    return None


def files_to_run(config: Config) -> list[tuple[str, str]]:
    """Return the user's files that a sweep runs, with the keys that name them: the trials' program,
    the other words of their command, and the scripts of the programs that run once."""
    program, words = config.sweep.program, config.sweep.command or command.DEFAULT
    found = [("sweep.command", word) for word in words if "${" not in word]
    if program is not None:
        found.insert(0, ("sweep.program", program))
    last = after(config)
    once = before(config) + ([] if last is None else [last])
    return found + [(call.where, call.script) for call in once if call.script is not None]
