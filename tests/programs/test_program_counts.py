"""What a trial of a program costs, in counts that no machine changes: processes, calls of the
store, modules, bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

from family import family

TESTS = Path(__file__).resolve().parents[1]
ARTIFACT_BYTES = 10_000_000

SCRIPT = """
import json, os, pathlib, sys
import wandb

with wandb.init() as run:
    for step in range(5):
        run.log({"loss": 1 / (step + 1)})
    pathlib.Path("model.bin").write_bytes(os.urandom(10_000_000))
    model = wandb.Artifact("net", type="model")
    model.add_file("model.bin")
    run.log_artifact(model).wait()
    sys.path.insert(0, TESTS)
    from family import family
    own = [each for each in family(ROOT) if each.pid not in BEFORE]
    titles = {each.pid: each.title for each in own} | {os.getpid(): "program"}
    # wandb-core starts short helpers; until exec, such a child has its title.
    clients = {each.pid for each in own if "wandb-core" in titles[each.pid]}
    forked = {each.pid for each in own if each.pid in clients and each.parent in clients}
    names = [name for pid, name in titles.items() if pid not in forked]
    pathlib.Path(NOTE).write_text(json.dumps(names))
"""

NEEDLESS = """
import sys
import raysweep.trials.program.workload, raysweep.cluster.remote_store
print(*{"torch", "pandas", "wandb", "trackio", "optuna", "matplotlib"} & set(sys.modules))
"""


class CountedStore(TrackioStore):
    """A store that counts the calls of its methods: a remote one sends each to the writer, except
    `take_file`."""

    def __init__(self, root: Path, project: str) -> None:
        super().__init__(root, project)
        self.calls: Counter[str] = Counter()
        self.written_bytes = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if callable(found) and not name.startswith("_"):
            self.calls[name] += 1
        return found

    def take_file(self, path: str, digest: str) -> None:
        super().take_file(path, digest)
        self.written_bytes = written_bytes()


def written_bytes() -> int:
    """Bytes that this process, which has the endpoint, and children whose end it has seen have
    given to the kernel."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def test_a_trial_is_few_processes_few_calls_and_its_bytes_once(programs, tmp_path):
    store = CountedStore(tmp_path / "counted", "mine")
    programs.tracker = TrackioTracker(store)
    note = tmp_path / "note.json"
    here = [each.pid for each in family(os.getpid())]  # an earlier test's client, perhaps
    given = f"ROOT, BEFORE, NOTE, TESTS = {os.getpid()}, {here}, {str(note)!r}, {str(TESTS)!r}\n"
    programs.write(given + SCRIPT)
    before = written_bytes()
    report = programs.run(programs.config())
    assert report.epochs == 5

    titles = json.loads(note.read_text())
    known = ("supervisor.py", "wandb-core", "wandb-symon")  # the client's are two
    started = [next((n for n in known if n in title), title) for title in titles]
    started.remove("program")
    started.remove("supervisor.py")
    started.remove("supervisor.py")  # one in the other
    assert started.count("wandb-core") == 1, titles
    assert set(started) <= {"wandb-core", "wandb-symon"}, titles
    assert len(started) <= 2, titles

    assert store.calls["log_rows"] <= 5
    assert store.calls["commit_artifact"] == 1
    assert store.calls.total() - store.calls["take_file"] <= 32, store.calls

    assert ARTIFACT_BYTES <= store.written_bytes - before < 1.5 * ARTIFACT_BYTES


def test_a_programs_worker_imports_neither_torch_nor_a_client():
    done = subprocess.run(
        [sys.executable, "-c", NEEDLESS], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == []
