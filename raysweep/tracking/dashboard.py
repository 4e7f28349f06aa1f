"""Serve Trackio's dashboard on loopback, in a separate process.

It is a separate process because Trackio's server reads one process-wide folder, prints to stdout,
and starts threads that never end. It exits when a pipe from this process closes, so it cannot
become an orphan.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from raysweep.errors import TrackingError
from raysweep.tracking.names import validate_project
from raysweep.tracking.trackio.store import TrackioStore

_START_TIMEOUT_S = 30
_STOP_TIMEOUT_S = 5


@dataclass(frozen=True)
class Served:
    """A running dashboard: `url` for a browser, and `stop()`, which is idempotent."""

    url: str
    _process: subprocess.Popen[str]

    def stop(self) -> None:
        """End the server, and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:  # a browser keeps a connection open
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def serve(root: Path, project: str, ref: str | None = None, port: int | None = None) -> Served:
    """Serve the project's dashboard on `port` of 127.0.0.1 (None: a free one).

    The url opens the lineage of `ref`. The dashboard is read-only: Trackio requires a token for
    changes, which is never shown. Raises ArtifactNotFound for an unknown `ref`, TrackingError if
    the server does not start.
    """
    page = _lineage_page(root, project, ref) if ref else _project_page(project)
    # The server's output goes to a file: a pipe that nobody reads would fill up and block it.
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "raysweep.tracking.dashboard_server"),
                *(str(root.absolute()), str(port or 0)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env=os.environ | {"PYTHONPATH": _python_path()},
            start_new_session=True,  # only this process handles Ctrl-C
        )
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], _START_TIMEOUT_S)
        bound = process.stdout.readline().strip() if readable else ""
        served = Served(f"http://127.0.0.1:{bound}{page}", process)
        if not bound:
            served.stop()
            words.seek(0)
            output = words.read().strip().splitlines() or ["nothing"]
            raise TrackingError(f"the dashboard of {root} did not start; its output: {output[-1]}")
    return served


def _project_page(project: str) -> str:
    return "/?" + urlencode({"project": validate_project(project)})


def _lineage_page(root: Path, project: str, ref: str) -> str:
    """Return the URL of the version's graph, as Trackio's page routes it (0.43, router.js)."""
    version = TrackioStore(root, project).artifact(ref)
    return "/artifacts?" + urlencode(
        {
            "project": project,
            "selected_artifact": version.name,
            "selected_version": version.version,
            "detail_tab": "lineage",
        }
    )


def _python_path() -> str:
    """Return a PYTHONPATH by which the server imports this same package, installed or not."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
