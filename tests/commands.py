"""Running raysweep as a user does: another process, its two streams, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


def mnist_folder() -> Path | None:
    """The folder with the real MNIST files, as torchvision means it, where there is one."""
    beside = REPOSITORY.parent / "shared" / "data"
    root = Path(os.environ.get("RAYSWEEP_TEST_DATA", beside))
    found = (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file()
    return root if found else None


def start(
    *arguments: object,
    cwd: Path | None = None,
    new_session: bool = False,
    prepare: Callable[[], object] | None = None,
    **env: str,
) -> subprocess.Popen[str]:
    """`python -m raysweep ARGUMENTS`, still running; in a process group of its own if asked.

    `prepare` is called in the new process, before Python begins."""
    return subprocess.Popen(
        [sys.executable, "-m", "raysweep", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=new_session,
        preexec_fn=prepare,
        env=environment(**env),
    )


def installed_command(folder: Path) -> Path:
    """Write the command `raysweep` into `folder` as pip does, for this Python. Return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "raysweep"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.append({str(REPOSITORY)!r})\n"
        "from raysweep.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    return script


def environment(**changes: str) -> dict[str, str]:
    """This process's, with no data set but the embedded one."""
    return {**os.environ, "RAYSWEEP_DATA": os.devnull + "/none", **changes}


def call(
    *arguments: object, cwd: Path | None = None, timeout_s: float = 240, **env: str
) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    with start(*arguments, cwd=cwd, **env) as process:
        out, err = process.communicate(timeout=timeout_s)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def raysweep(
    *arguments: object, cwd: Path | None = None, timeout_s: float = 240, **env: str
) -> dict[str, Any]:
    """The JSON object that a successful command printed, the only thing on its stdout."""
    done = call(*arguments, cwd=cwd, timeout_s=timeout_s, **env)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
