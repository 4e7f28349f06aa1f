"""`run_sweep` and `resume_sweep` in a user's program leave the process as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands import REPOSITORY, environment
from sweeps import HAS_LOCAL_MODE, IMPOSSIBLE, digits, grid

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

PROGRAM = """
import json, os, signal, sys, threading, warnings
from pathlib import Path

import ray
from ray import tune

from raysweep import resume_sweep, run_sweep
from raysweep.errors import Interrupted
from process_state import differences, state

configs = json.loads(sys.argv[1])
signal.signal(signal.SIGUSR2, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
warnings.filterwarnings("ignore", message="mine")
"""

COMPARED = """
told = []
for name, config in configs.items():
    before = state()
    try:
        told.append(run_sweep(config, name=name, storage="runs", local_mode=LOCAL).trials.completed)
    except Exception as error:
        told.append(type(error).__name__)
    assert not differences(before, state()), (name, differences(before, state()))

def stop(event):
    if getattr(event, "epoch", 0) == 1:
        signal.raise_signal(signal.SIGINT)

before = state()
try:
    run_sweep(configs["fine"], name="cut", storage="runs", local_mode=LOCAL, observer=stop)
except Interrupted:
    told.append("stopped")
assert not differences(before, state()), differences(before, state())
told.append(resume_sweep("cut", storage="runs", local_mode=LOCAL).trials.completed)
assert not differences(before, state()), differences(before, state())
print(json.dumps(told))
"""

OWN_TUNER = """
ray.init(num_cpus=1)
before = state()
completed = run_sweep(configs["fine"], storage="runs").trials.completed
assert not differences(before, state()), differences(before, state())
assert ray.is_initialized() and ray.get(ray.remote(lambda: 4).remote()) == 4

handlers = []

class Watching(tune.Callback):
    def on_trial_result(self, **_):
        handlers.append(getattr(signal.getsignal(signal.SIGINT), "__qualname__", "none"))

def train(config):
    for step in range(3):
        tune.report({"loss": step})

tuner = tune.Tuner(
    train,
    run_config=tune.RunConfig(
        name="own", storage_path=str(Path("own").absolute()), callbacks=[Watching()]
    ),
)
period = {}
import ray.tune.execution.tune_controller as controller
real = controller._ExperimentCheckpointManager.__init__
def noted(self, *args, **options):
    real(self, *args, **options)
    period.update(vars(self))
controller._ExperimentCheckpointManager.__init__ = noted
tuner.fit()
print(json.dumps({
    "completed": completed,
    "files": sorted({path.name for path in Path("own/own").rglob("*") if path.is_file()}),
    "handlers": handlers,
    "periods": [value for key, value in period.items() if "period" in key],
}))
"""


TWO_THREADS = """
out, going, tried = {}, threading.Event(), threading.Event()
before = state()

def first():
    def wait(event):
        going.set()
        assert tried.wait(60)
    out["first"] = run_sweep(
        configs["fine"], storage="first", local_mode=True, observer=wait
    ).trials.completed

def second():
    going.wait(60)
    for start in (lambda: run_sweep(configs["fine"], storage="second"), resume_sweep):
        try:
            start()
        except Exception as error:
            out.setdefault("second", []).append(f"{type(error).__name__}: {error}")
    tried.set()

threads = [threading.Thread(target=each) for each in (first, second)]
for each in threads:
    each.start()
for each in threads:
    each.join()
assert not differences(before, state()), differences(before, state())
out["folders"] = sorted(path.name for path in Path().iterdir())
out["again"] = run_sweep(configs["fine"], storage="first", local_mode=True).trials.completed
print(json.dumps(out))
"""


def program(folder: Path, code: str, configs: dict[str, Any]) -> Any:
    """Run the program, and parse its last line as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + code, json.dumps(configs)],
        cwd=folder,
        env=environment(PYTHONPATH=os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def configs() -> dict[str, Any]:
    """A sweep that completes, and one whose trials all fail."""
    bad = {"hidden_layer_sizes": IMPOSSIBLE}
    bayes = {**grid(), "method": "bayes", "run_cap": 1}
    bayes["parameters"] = {"learning_rate": {"min": 0.01, "max": 0.02}}
    failing = grid(model__hidden_layer_sizes=[IMPOSSIBLE])
    return {
        "fine": digits(grid(learning_rate=[0.01])),
        "learning": digits(bayes),
        "failing": digits(failing),
        "refused": digits(grid(learning_rate=[0.01]), model=bad, resources={"gpus": 5000}),
    }


@pytest.mark.parametrize("local", [True, False])
def test_the_process_is_as_before(tmp_path: Path, local: bool) -> None:
    told = program(tmp_path, COMPARED.replace("LOCAL", str(local)), configs())
    assert told == [1, 1, "SweepFailed", "UserError", "stopped", 1]


def test_the_users_own_ray_and_tuner_work_as_without_a_sweep(tmp_path: Path) -> None:
    told = program(tmp_path, OWN_TUNER, configs())
    assert told["completed"] == 1
    assert {"progress.csv", "result.json", "params.json"} <= set(told["files"])
    assert any("experiment_state" in name for name in told["files"])
    assert set(told["handlers"]) == {"_setup_signal_catching.<locals>.signal_interrupt_tune_run"}
    assert all(period != 1e9 for period in told["periods"]) and told["periods"]


def test_a_second_concurrent_sweep_is_refused_and_the_first_continues(tmp_path: Path) -> None:
    told = program(tmp_path, TWO_THREADS, configs())
    assert told["first"] == told["again"] == 1
    for refusal in told["second"]:
        assert refusal.startswith("UserError: this process is running a sweep already")
    assert len(told["second"]) == 2
    assert told["folders"] == ["first"]
