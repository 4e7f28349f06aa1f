"""The commands that are shown for a submitted sweep: they are copied into a shell."""

from __future__ import annotations

import io
import shlex
import subprocess
from pathlib import Path

import pytest

from raysweep.submission.submission import Submission
from raysweep.terminal.submission import show_detached


def fetching(storage: str) -> list[str]:
    """Split the command that fetches the result as a shell does."""
    stream = io.StringIO()
    show_detached(stream, Submission("http://head:8265", "mine-1a2b", "mine", storage))
    line = next(line for line in stream.getvalue().splitlines() if line.startswith("its result"))
    return shlex.split(line.partition(": ")[2])


@pytest.mark.parametrize("folder", ["runs", "my runs", "it's $HOME; echo; runs"])
@pytest.mark.parametrize("home", [True, False])
def test_the_result_is_fetched_from_any_folder(tmp_path: Path, folder: str, home: bool) -> None:
    result = tmp_path / folder / "mine" / "result.json"
    result.parent.mkdir(parents=True)
    result.write_text("{}")
    words = fetching(f"~/{folder}/" if home else str(tmp_path / folder))
    assert words[:6] == ["ray", "job", "submit", "--address", "http://head:8265", "--"]
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words[6:], capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("{}", "")


def test_a_result_at_a_uri_is_read_from_this_machine() -> None:
    words = fetching("s3://bucket/my runs")
    assert words == [
        *["python", "-m", "raysweep", "best", "mine", "--storage"],
        "s3://bucket/my runs",
    ]
