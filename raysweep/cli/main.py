"""The commands: each parses, calls, prints. Heavy imports are inside the commands.

The answer of a command (`list`, `best`, `plan`, `lineage`) goes to stdout; progress, warnings and
hints go to stderr. With `--json`, stdout is one JSON object and nothing else. Exit codes: 0 done,
1 the sweep failed, 2 the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from raysweep.cli.arguments import parse
from raysweep.errors import Interrupted, RaysweepError, SweepFailed
from raysweep.paths import is_of_the_disk
from raysweep.storage.bucket.hung import end_now_if_hung
from raysweep.terminal.process import stdout_for_json, terminable
from raysweep.terminal.streams import to_nowhere, usable_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    with usable_streams():
        return _main(parse(argv))


def _main(args: argparse.Namespace) -> int:
    try:
        with stdout_for_json(args.json) as args.out, terminable():
            answer = args.call(args)
            if args.json and answer is not None:
                print(json.dumps(answer, allow_nan=False), file=args.out, flush=True)
            sys.stdout.flush()  # here: a broken pipe is handled below, not at exit
        return 0
    except RaysweepError as error:
        if isinstance(error, SweepFailed):
            if error.__cause__ is not None and _is_debugged(args):
                raise
            if error.traceback is not None:
                print(error.traceback, file=sys.stderr)
        _complain(str(error))
        end_now_if_hung(error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:  # `raysweep list | head`: the reader has ended
        to_nowhere(sys.stdout)
        return 0
    except OSError as error:
        if not is_of_the_disk(error):
            raise
        place = error.filename or "what it writes to"
        _complain(f"{place}: {error.strerror}; make room, and try again")
        to_nowhere(sys.stdout)  # else Python would report the error again at exit
        return 1


def _is_debugged(args: argparse.Namespace) -> bool:
    """Whether an exception of the user's code ends the process, as in any script, also with exit
    code 1: then a debugger shows the line that raised it."""
    return bool(getattr(args, "local_mode", False) and getattr(args, "fail_fast", False))


def _complain(line: str) -> None:
    from raysweep.terminal.wrap import for_stream  # 20 ms, which --help does without

    print(for_stream(f"raysweep: {line}", sys.stderr), file=sys.stderr)
