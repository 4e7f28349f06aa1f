"""`exec` with scripts and commands that make sweeps, and W&B's own agents, unmodified."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest
import yaml

from raysweep.errors import ConfigError
from raysweep.trials.program.agents import agent_search

from commands import call, raysweep, start

IN_PROCESS = """
import json, sys, wandb
from wandb.agents import pyagent

pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = 0.1  # s; by itself 5

def train():
    with wandb.init(project="ignored in a sweep") as run:
        for step in range(3):
            run.log({"loss": (run.config.lr - 0.3) ** 2 + 1 / (step + 1)})
        tried.append(dict(run.config))

def agent(sweep, count):
    tried.clear()
    wandb.agent(sweep, function=train, count=count)
    return list(tried)

tried = []
"""

MAKES = """
grid = wandb.sweep({
    "method": "grid", "name": "mine", "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "lr": {"values": [0.5, 0.4, 0.3]}, "net": {"parameters": {"width": {"value": 8}}},
    },
}, project="digits")
bayes = wandb.sweep(json.loads(sys.argv[1]), project="digits")
said = {"grid": grid, "tried": agent(grid, 2), "bayes": bayes, "suggested": agent(bayes, 4)}
sweep = wandb.Api().sweep(f"digits/{grid}")
said |= {
    "state": sweep.state, "order": sweep.order, "expected": sweep.expected_run_count,
    "name": sweep.name, "method": sweep.config["method"], "runs": len(sweep.runs),
    "best": sweep.best_run().config, "agents": [len(each.runs()) for each in sweep.agents()],
}
print("SAID", json.dumps(said))
"""

CONTINUES = """
said = {"tried": agent(sys.argv[1], 1)}
sweep = wandb.Api().sweep(f"digits/{sys.argv[1]}")
print("SAID", json.dumps({**said, "state": sweep.state, "runs": len(sweep.runs)}))
"""

BAYES = {
    "method": "bayes",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"lr": {"min": 0.0, "max": 1.0}},
    "sampler": {"type": "tpe", "n_startup_trials": 2},
}


def _said(stdout: str) -> dict[str, Any]:
    (line,) = [line for line in stdout.splitlines() if line.startswith("SAID ")]
    found: dict[str, Any] = json.loads(line.removeprefix("SAID "))
    return found


def _script(folder: Path, text: str, name: str = "script.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_script_with_agents_of_its_own_gets_our_suggestions(tmp_path):
    script = _script(tmp_path, IN_PROCESS + MAKES)
    options = ("--storage", tmp_path / "runs")
    done = call("exec", *options, "--", sys.executable, script, json.dumps(BAYES), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = _said(done.stdout)
    assert said["tried"] == [{"lr": lr, "net": {"width": 8}} for lr in (0.5, 0.4)]
    assert said["suggested"] == _ours(BAYES, 4)
    assert (said["state"], said["runs"], said["expected"]) == ("RUNNING", 2, 3)
    assert (said["name"], said["method"]) == ("mine", "grid")
    assert said["order"] == "+summary_metrics.loss"
    assert said["best"] == {"lr": 0.4, "net": {"width": 8}}
    assert said["agents"] == [2]
    lines = done.stderr.splitlines()
    assert f"sweep {said['grid']} of digits (mine): grid, 2 runs, running" in lines
    assert any(
        line.startswith("  best loss 0.343333: run ") and line.endswith(", lr=0.4, net.width=8")
        for line in lines
    )

    _script(tmp_path, IN_PROCESS + CONTINUES)  # the sweep's id is enough, in another process
    again = call("exec", *options, "--", sys.executable, script, said["grid"], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert _said(again.stdout) == {
        "tried": [{"lr": 0.3, "net": {"width": 8}}],
        "state": "FINISHED",
        "runs": 3,
    }
    listed = raysweep("list", *options, "--json")
    assert listed["sweeps"] == []
    (digits,) = [each for each in listed["recorded"] if each["project"] == "digits"]
    assert digits["runs"] == 7
    assert [(each["id"], each["runs"]) for each in digits["sweeps"]] == [
        (said["grid"], 3),
        (said["bayes"], 4),
    ]
    assert digits["sweeps"][0]["best"]["values"] == {"lr": 0.3, "net.width": 8}
    shown = call("list", *options)
    assert f"sweep {said['grid']} of digits (mine): grid, 3 runs" in shown.stdout
    shown = call("show", said["grid"], *options)
    assert shown.returncode == 0, shown.stderr
    best, *others = shown.stdout.splitlines()[2:]
    assert best.endswith(" ended loss 0.333333: lr=0.3, net.width=8")
    assert len(others) == 2
    (first, *_) = raysweep("show", said["grid"], *options, "--json")["trials"]
    assert first["values"] == {"lr": 0.3, "net.width": 8}
    removed = raysweep("remove", said["grid"], *options, "--yes", "--json")
    assert (removed["recorded"], len(removed["runs"])) == ([f"sweep {said['grid']}"], 3)
    (digits,) = raysweep("list", *options, "--json")["recorded"]
    assert (digits["runs"], [each["id"] for each in digits["sweeps"]]) == (4, [said["bayes"]])


def _ours(config: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What the sampler suggests, told of each score."""
    search, tried = agent_search(yaml.dump(config)), []
    for number in range(count):
        values = search.next()
        assert values is not None
        tried.append(dict(values))
        search.tell(number, (values["lr"] - 0.3) ** 2 + 1 / 3)
    return tried


def _config(method: str, most: float = 99_999, **more: Any) -> str:
    """A sweep of `most` + 1 combinations, as the client sends it."""
    parameters = {"lr": {"min": 0, "max": int(most)}, "width": {"value": 8}}
    return yaml.dump({"method": method, "parameters": parameters, **more})


def test_a_sweep_ends_with_the_last_of_its_configurations():
    grid = agent_search(_config("grid"))
    assert grid.expected == 100_000
    assert [grid.next() for _ in range(2)] == [{"lr": 0, "width": 8}, {"lr": 1, "width": 8}]
    for search, count in (
        (agent_search(_config("grid", run_cap=3)), 3),
        (agent_search(_config("random", 4, run_cap=20)), 5),
        (agent_search(_config("random")), 10_000),
    ):
        assert search.expected == count
        assert sum(1 for _ in iter(search.next, None)) == count


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[]", "sweep: expected a mapping of keys to values, got "),
        ("", "sweep: expected a mapping of keys to values, got nothing"),
        (_config("random", run_cap=10_001), "sweep.run_cap: 10,001, but at most 10,000 can run"),
        (_config("grid", 1e6), "sweep.parameters: the grid has 1,000,001 combinations, at most "),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_in_one_line(config, message):
    with pytest.raises(ConfigError) as refused:
        agent_search(config)
    assert str(refused.value).startswith(message)


COMMAND = """
import sys, time, wandb
from wandb.sdk.lib.run_stopping import RunStopChecker

RunStopChecker.__init__.__kwdefaults__["poll_interval"] = 0.5  # s; by itself 15
run = wandb.init()
lr = float(sys.argv[1].removeprefix("--lr="))
try:
    for step in range(8 if lr < 2 else 400):
        run.log({"loss": lr})
        time.sleep(0 if lr < 2 else 0.1)
except KeyboardInterrupt:
    run.summary["interrupted"] = True
    run.finish()
"""

AGENTS = """
import subprocess, sys, wandb
from wandb import wandb_agent
from wandb.cli import cli

wandb_agent.Agent.POLL_INTERVAL = 0.2  # s; by itself 5
if len(sys.argv) > 2:
    cli.cli(["agent", *sys.argv[2:]])
made = subprocess.run(
    [sys.executable, "-m", "wandb", "sweep", sys.argv[1]], capture_output=True, text=True
).stderr
name = made.rpartition("wandb agent ")[2].split()[0]
agents = [subprocess.Popen([sys.executable, __file__, "", name]) for _ in range(2)]
sys.exit(max(agent.wait() for agent in agents))
"""


@pytest.fixture
def with_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B's agent calls `python`."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("with_python")
def test_several_agents_share_a_sweep_and_stop_what_falls_behind(tmp_path):
    _script(tmp_path, COMMAND, "train.py")
    sweep = {
        "program": "train.py",
        "method": "grid",
        "project": "shared",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"lr": {"values": [1.0, 1.5, 3.0]}},
        "early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 3},
    }
    (tmp_path / "sweep.yaml").write_text(yaml.dump(sweep))
    script = _script(tmp_path, AGENTS)
    answer = raysweep(
        *("exec", "--storage", tmp_path / "runs", "--json", "--"),
        *("sh", "-c", f"{sys.executable} '{script}' sweep.yaml >&2"),
        cwd=tmp_path,
    )
    (kept,) = answer["sweeps"]
    assert (kept["runs"], kept["state"]) == (3, "finished")
    assert kept["best"]["score"] == 1.0
    assert kept["best"]["values"] == {"lr": 1.0}
    runs = {run["summary"]["loss"]: run for run in answer["runs"]}
    assert sorted(runs) == [1.0, 1.5, 3.0]
    assert {run["state"] for run in answer["runs"]} == {"finished"}
    assert runs[3.0]["summary"]["interrupted"] is True


WAITS = (
    IN_PROCESS
    + """
import os, time

def wait():
    with wandb.init() as run:
        run.log({"loss": run.config.lr})
        # Not by print: the client swallows the agent's exception while it takes what is printed.
        os.write(1, f"UP {os.getpid()} {run.config.lr}\\n".encode())
        while sys.argv[2:]:
            time.sleep(0.1)

sweep = sys.argv[1]
if sweep == "new":
    sweep = wandb.sweep({
        "method": "grid", "metric": {"name": "loss"}, "parameters": {"lr": {"values": [1, 2]}},
    })
    print("MADE", sweep, flush=True)
wandb.agent(sweep, function=wait, count=1)
"""
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_cut_short_is_tried_again(tmp_path, number):
    script = _script(tmp_path, WAITS)
    command = ("exec", "--storage", tmp_path / "runs", "--", sys.executable, script)
    with start(*command, "new", "wait", cwd=tmp_path, new_session=True) as process:
        assert process.stdout is not None
        sweep = next(line for line in process.stdout if line.startswith("MADE ")).split()[1]
        up = next(line for line in process.stdout if line.startswith("UP ")).split()
        if number == signal.SIGINT:  # as the terminal sends it, to all
            os.killpg(process.pid, number)
        else:
            process.kill()
            os.kill(int(up[1]), number)
        try:
            _, err = process.communicate(timeout=60)
        except TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert up[2] == "1"
    assert _is_gone(int(up[1])), err
    if number == signal.SIGINT:
        shown = raysweep("show", sweep, "--storage", tmp_path / "runs", "--json")
        assert (shown["runs"], shown["trials"]) == (0, [])  # and so is the first that comes next
        return
    again = call(*command, sweep, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (up_again,) = [line for line in again.stdout.splitlines() if line.startswith("UP ")]
    assert up_again.split()[2] == "1"


def _is_gone(pid: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
