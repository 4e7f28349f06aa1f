"""Many writers of one name: versions without gaps, one `latest`, each run its own."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import wandb

from wandb_server.raw import Raw

WRITERS, EACH = 8, 4

LOG_VERSIONS = """
import sys, wandb
project, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with wandb.init(project=project, id=name) as run:
    for number in range(count):
        artifact = wandb.Artifact("model", type="model", metadata={"run": name})
        with artifact.new_file("f") as file:
            file.write(f"{name} {number}")
        run.log_artifact(artifact).wait()
"""


def test_commits_at_once_are_numbered_without_gaps(server, project):
    def write(writer: int) -> list[int]:
        raw = Raw(server, project, f"run-{writer}")
        raw.start()
        return [raw.log("model", f"{writer} {number}".encode()) for number in range(EACH)]

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = [number for written in pool.map(write, range(WRITERS)) for number in written]
    assert sorted(numbers) == list(range(WRITERS * EACH))
    sequence = server.state.projects[project].sequences["model"]
    assert sequence.holders["latest"].version_index == WRITERS * EACH - 1


def test_two_processes_of_the_real_client_at_once(server, project):
    command = [sys.executable, "-c", LOG_VERSIONS, project]
    writers = [
        subprocess.Popen([*command, name, "3"], stderr=subprocess.DEVNULL)
        for name in ("one", "two")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    versions = wandb.Api().artifacts("model", f"{server.entity}/{project}/model")
    found = {a.version: (a.metadata["run"], a.logged_by().id, a.aliases) for a in versions}
    assert sorted(found) == [f"v{number}" for number in range(6)]
    assert all(run == producer for run, producer, _ in found.values())
    assert [v for v, (_, _, aliases) in found.items() if "latest" in aliases] == ["v5"]
