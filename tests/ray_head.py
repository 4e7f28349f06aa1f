"""A Ray head node of a test's own, as `ray start` makes it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNSHARED = [
    *("unshare", "--mount", "--map-root-user", "sh", "-c"),
    'mount -t tmpfs none "$0" && exec "$@"',
]
"""A command with file systems of its own; the next argument is the folder that it finds empty."""


@contextmanager
def ray_head(log: Path, unseen: Path | None = None) -> Iterator[str]:
    """Its `HOST:PORT`. It has two CPUs, and is ended afterwards with all its processes.

    `unseen`: a folder that it finds empty, as another machine would.
    """
    ray = Path(sys.executable).with_name("ray")
    with log.open("w") as out, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        head = [
            *(ray, "start", "--head", "--block", "--port=0", "--num-cpus=2"),
            *("--include-dashboard=false", f"--temp-dir={temp}"),
        ]
        hiding = [] if unseen is None else [*UNSHARED, str(unseen)]
        with subprocess.Popen([*hiding, *head], stdout=out, stderr=out) as process:
            try:
                yield _address(process, log)
            finally:
                process.terminate()
                process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"address='([\d.:]+)'", log.read_text()):
            return found[1]
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"ray start ended: {log.read_text()}")
