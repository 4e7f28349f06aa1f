"""What Ray gives a trial comes to its program: GPUs that no other has, threads for its CPUs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from commands import environment

SCRIPT = """
import json, sys
import ray, raysweep
from raysweep.trials.program.workload import Program

sent, send = [], Program.send

def noted(self, config):
    send(self, config)
    sent.append(self._sent.digest)

Program.send = noted
ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)  # no real GPU
result = raysweep.run_sweep({
    "program": {"directory": sys.argv[1]},
    "resources": {"cpus": 2, "gpus": 1},
    "storage": sys.argv[2],
    "tracking": {"backend": "trackio"},
    "sweep": {"program": "train.py", "method": "grid", "metric": {"name": "threads"},
              "parameters": {"lr": {"values": [1, 2]}}},
})
print(json.dumps({**result.to_json()["trials"], "sent": len(sent)}))
"""

TRAIN = """
import os, pathlib, time, wandb

with wandb.init() as run:
    met = pathlib.Path(os.environ["MET"])
    (met / os.environ["CUDA_VISIBLE_DEVICES"]).write_text(os.environ["OMP_NUM_THREADS"])
    deadline = time.monotonic() + 60
    while len(list(met.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # the other trial has begun, on another GPU
    run.log({"threads": int(os.environ["OMP_NUM_THREADS"])})
"""


def test_two_trials_at_once_have_gpus_of_their_own(tmp_path: Path) -> None:
    for name in ("met", "user"):
        (tmp_path / name).mkdir()
    (tmp_path / "user" / "train.py").write_text(TRAIN)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "user", tmp_path / "runs"],
        env=environment(MET=str(tmp_path / "met")),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["completed"] == 2
    assert said["sent"] == 1, "other nodes may join the caller's Ray"
    assert {file.name: file.read_text() for file in (tmp_path / "met").iterdir()} == {
        "0": "2",
        "1": "2",
    }
