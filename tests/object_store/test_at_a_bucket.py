"""Sweeps at `s3://…`: made on one machine, read and gone on from on another."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import call, environment, raysweep, start
from s3_server import S3Server
from sweeps import HAS_LOCAL_MODE, digits, grid

URI = "s3://bucket/team/sweeps"
PREFIX = "team/sweeps"

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="local mode makes these quick")


SPEAKING = """
from raysweep.ml.training import Trainer

class Speaking(Trainer):
    def epoch(self):
        print("spoken by a trial")
        yield from super().epoch()
"""


@dataclass
class Swept:
    """A sweep that machine `one` made, and what it printed."""

    config: Path
    done: subprocess.CompletedProcess[str]
    env: dict[str, str]


def configured(folder: Path, epochs: int) -> Path:
    path = folder / f"{epochs}.yaml"
    path.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]), train={"epochs": epochs})))
    return path


def run(config: Path, name: str) -> tuple[object, ...]:
    return ("run", config, "--name", name, "--local-mode", "--storage", URI)


@pytest.fixture(scope="module")
def swept(
    machine: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Swept:
    folder, env = tmp_path_factory.mktemp("swept"), machine("one")
    config = configured(folder, 1)
    (folder / "speaking.py").write_text(SPEAKING)
    done = call(*run(config, "mine"), "--set", "train.target=speaking:Speaking", cwd=folder, **env)
    assert done.returncode == 0, done.stderr
    return Swept(config, done, env)


@pytest.fixture
def other(machine: Callable[[str], dict[str, str]], swept: Swept) -> dict[str, str]:
    """Another machine, once the sweep is there."""
    return machine("other")


def head(s3: S3Server) -> dict[str, Any]:
    """Who writes there, and what was pushed."""
    found: dict[str, Any] = json.loads((s3.data / "bucket" / PREFIX / "replica.json").read_text())
    return found


def left_on(env: dict[str, str]) -> list[str]:
    """Files in the machine's home and temporary folder, but Ray's and torch's own."""
    places = [Path(env["XDG_CACHE_HOME"]) / "raysweep", *Path(env["TMPDIR"]).glob("raysweep*")]
    return [str(file) for place in places for file in place.rglob("*") if file.is_file()]


def test_the_bucket_has_it_and_the_machine_no_longer(swept: Swept, s3: S3Server) -> None:
    keys = s3.keys(PREFIX)
    assert {"mine/sweep.json", "mine/config.yaml", "mine/result.json"} <= keys
    assert {"mine/best/trained_model.pth", "replica.json"} <= keys
    assert head(s3)["driver"] is None
    assert not {key for key in keys if "/inputs/" in key or "/tune/" in key or "lock" in key}
    assert left_on(swept.env) == []


def test_what_the_user_reads_is_the_uri(swept: Swept) -> None:
    told = swept.done.stderr
    assert f"model: {URI}/mine/best/trained_model.pth" in told
    assert f"best mine --download ./my-model --storage {URI}" in told
    assert f"report mine --storage {URI}" in told
    assert ".cache" not in told


def test_list_best_and_lineage_on_another_machine(other: dict[str, str], tmp_path: Path) -> None:
    at = ("--storage", URI, "--json")
    (listed,) = raysweep("list", *at, **other)["sweeps"]
    assert listed["sweep"] == "mine"
    best = raysweep("best", *at, "--download", tmp_path / "model", **other)
    assert best["best"] == listed["result"]["best"]
    assert best["best"]["artifact"] == "trained-model:v0"
    assert (tmp_path / "model" / "trained_model.pth").stat().st_size > 1000
    lineage = raysweep("lineage", "trained-model:best", *at, **other)
    names = {node["name"] for node in lineage["nodes"]}
    assert {"digits-raw", "trained-model", "trial-0000-mine", "report-mine"} <= names
    assert left_on(other) == []


def test_show_logs_and_report_on_another_machine(other: dict[str, str], tmp_path: Path) -> None:
    at = ("--storage", URI)
    shown = call("show", *at, **other)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("mine  ended; started ")
    assert f"folder:  {URI}/mine\nlogs:    {URI}/mine/logs\n" in shown.stdout
    assert f"model:   {URI}/mine/best\n" in shown.stdout
    assert raysweep("show", "mine", "--json", *at, **other)["best"]["trial"] == "trial-0000"

    trial = call("show", "mine", "0", *at, **other)
    assert (trial.returncode, trial.stderr) == (0, "")
    assert "logged:   trained-model:v0" in trial.stdout
    whole = raysweep("show", "mine", "0", "--json", *at, **other)
    assert whole["log"] == f"{URI}/mine/logs/trial-0000.log"
    assert (len(whole["history"]), whole["logged"]) == (1, ["trained-model:v0"])

    listed = raysweep("logs", "mine", "--json", *at, **other)["logs"]
    assert {each["run"] for each in listed} >= {"load", "trial-0000", "evaluate"}
    assert whole["log"] in {each["log"] for each in listed}
    log = call("logs", "mine", "0", *at, **other)
    assert (log.returncode, log.stdout) == (0, "spoken by a trial\n")
    assert "--follow: s3://" in call("logs", "mine", "0", "--follow", *at, **other).stderr

    report = call("report", "--no-browser", *at, cwd=tmp_path, **other)
    assert report.stdout == f"{tmp_path / 'report-mine.html'}\n", report.stderr
    page = (tmp_path / "report-mine.html").read_text()
    parts = re.findall(r'id="packed-data">([A-Za-z0-9+/=]+)<', page)
    told = gzip.decompress(base64.b64decode(parts[0])).decode()
    for words in (f"{URI}/mine", "spoken by a trial", "hardest", "data:image"):
        assert words in told
    assert ".cache" not in shown.stdout + trial.stdout + told
    assert left_on(other) == []


PREDICT = f"""
import raysweep, torch
model = raysweep.load_model("mi", {URI!r})
outputs = model.predict(torch.zeros(3, 28, 28, dtype=torch.uint8))
print(model.sweep, model.source, tuple(outputs.shape))
print(raysweep.load_model("trained-model:best", {URI!r}).source)
"""


def test_a_model_is_loaded_on_another_machine(other: dict[str, str], tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = environment(**{**other, "TMPDIR": str(scratch)})
    done = subprocess.run(
        [sys.executable, "-c", PREDICT], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "mine trained-model:v0 (3, 10)\ntrained-model:v0\n", done.stderr
    assert done.stderr == "raysweep: mi: the sweep mine\n"
    assert list(scratch.iterdir()) == []
    assert left_on(other) == []


def test_the_next_sweep_on_another_machine_reuses_the_stages(
    other: dict[str, str], swept: Swept, s3: S3Server
) -> None:
    result = raysweep(*run(swept.config, "again"), "--json", **other)
    assert result["cached_stages"] == ["load", "preprocess", "initialize"]
    assert {"again/result.json", "mine/result.json"} <= s3.keys(PREFIX)
    assert left_on(other) == []


def test_workers_of_their_own_processes_get_what_is_still_there(
    machine: Callable[[str], dict[str, str]], swept: Swept, tmp_path: Path
) -> None:
    """Without local mode who opens the data is a process that cannot reach the bucket: nobody told
    it the keys."""
    words = [word for word in run(swept.config, "apart") if word != "--local-mode"]
    done = call(*words, "--json", cwd=tmp_path, **machine("apart"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cached_stages"] == ["load", "preprocess", "initialize"]


def test_a_bucket_that_hangs_does_not_hold_up_ctrl_c(
    machine: Callable[[str], dict[str, str]], swept: Swept, tmp_path: Path, s3: S3Server
) -> None:
    """What it could not send is kept here, and the next command of this machine sends it."""
    env, config = machine("hung"), configured(tmp_path, 40)
    assert s3.process is not None
    with start(*run(config, "hung"), cwd=tmp_path, new_session=True, **env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 3/" in line:
                break
        os.kill(s3.process.pid, signal.SIGSTOP)
        try:
            interrupted = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)
            _, rest = process.communicate(timeout=120)
            took_s = time.monotonic() - interrupted
        finally:
            os.kill(s3.process.pid, signal.SIGCONT)
    assert process.returncode == 130, rest
    assert took_s < 25, "10 where nothing else is done, and 60 if it waited for the server"
    assert "nothing is lost: everything is in" in rest
    again = call("resume", "hung", "--storage", URI, "--local-mode", cwd=tmp_path, **env)
    assert again.returncode == 0, again.stderr
    assert "epoch 1/40" not in again.stderr
    assert "hung/result.json" in s3.keys(PREFIX)
    assert left_on(env) == []


def test_an_interrupted_sweep_goes_on_on_another_machine(
    machine: Callable[[str], dict[str, str]], swept: Swept, tmp_path: Path, s3: S3Server
) -> None:
    here, there = swept.env, machine("third")
    config = configured(tmp_path, 12)
    with start(*run(config, "stopped"), cwd=tmp_path, new_session=True, **here) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 3/" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=120)
    assert process.returncode == 130, rest
    assert f"resume stopped --storage {URI}" in rest.splitlines()[-1]
    keys = s3.keys(PREFIX)
    assert {"stopped/config.yaml", "stopped/sweep.json"} <= keys
    assert [key for key in keys if key.startswith(".layers/stopped/journal.jsonl/")]
    assert head(s3)["driver"] is None
    assert left_on(here) == []
    again = call("resume", "stopped", "--storage", URI, "--local-mode", cwd=tmp_path, **there)
    assert again.returncode == 0, again.stderr
    assert "epoch 1/12" not in again.stderr, "it went on, and did not start anew"
    assert f"model: {URI}/stopped/best/trained_model.pth" in again.stderr
    keys = s3.keys(PREFIX)
    assert "stopped/result.json" in keys
    assert not [key for key in keys if "/checkpoints/" in key]
    assert left_on(there) == []
