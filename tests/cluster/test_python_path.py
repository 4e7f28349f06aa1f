"""A checkout, and so its Python, may be in a folder whose name a shell would split."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TASK = """
import sys
from raysweep.cluster import cluster
from raysweep.cluster.remote import as_task, get

with cluster.connect(None, local_mode=False, verbose=False):
    print(get(as_task(lambda: sys.executable, runtime_env={"env_vars": {"A": "B"}}).remote()))
"""
"""With a runtime environment, as Tune gives a trial: a shell starts such a worker."""


def test_a_python_whose_path_has_a_space_and_a_quote(tmp_path: Path) -> None:
    """The worker died in the shell, and the sweep waited forever."""
    venv = tmp_path / "it's a venv"
    venv.symlink_to(sys.prefix)
    python = str(venv / "bin" / Path(sys.executable).name)
    done = subprocess.run([python, "-c", TASK], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == python
