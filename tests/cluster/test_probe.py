"""Ray's private parts: each is checked before it is replaced, and Ray works without the patches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private import node, state

from raysweep.cluster.faststart import checks, probe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Ray starts its own")

PATCHES = {*checks.PATCHES}


def test_this_ray_has_all_private_parts_in_use() -> None:
    """This test fails when Ray changes: adapt the patch, or remove it."""
    assert probe.probe().missing == {}
    assert probe.probe().applies == PATCHES | {*checks.INTERNALS}
    assert probe.usable() == PATCHES


def test_a_missing_name_switches_one_patch_off(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(node.Node, "start_raylet")
    assert probe.usable() == PATCHES - {"worker-copies"}
    assert "start_raylet" in probe.probe().missing["worker-copies"]


def test_another_signature_switches_one_patch_off(
    anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_node(self: Any, address: str) -> None: ...

    monkeypatch.setattr(state.GlobalState, "get_node", get_node)
    assert probe.usable() == PATCHES - {"raylet-lookup"}
    assert "node_id" in probe.probe().missing["raylet-lookup"]


def test_another_version_of_ray_starts_without_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(probe.SWITCH, raising=False)
    monkeypatch.setattr(ray, "__version__", "2.99.0")
    assert probe.usable() == frozenset()
    line = probe.untested()
    assert line is not None and "Ray 2.99.0" in line and "\n" not in line


def test_the_environment_enables_what_applies_on_another_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "__version__", "2.99.0")
    monkeypatch.setenv(probe.SWITCH, "1")
    assert probe.usable() == PATCHES
    assert probe.untested() is None


@pytest.mark.parametrize("off", ["0", "false", "Off"])
def test_the_environment_switches_them_off(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(probe.SWITCH, off)
    assert probe.usable() == frozenset()


START = """
import json, os, pathlib, sys
import ray
from raysweep.cluster import cluster
from raysweep.cluster.faststart import fork_server, lean, start

broken, timeout_s = sys.argv[1], float(sys.argv[2])
if broken != "none":
    owner = {"agent": lean, "worker": fork_server}[broken]
    setattr(owner, broken.upper(), pathlib.Path(sys.argv[3]))
start.start.__kwdefaults__["timeout_s"] = timeout_s
with cluster.connect(None, local_mode=False, verbose=False, fast_start=sys.argv[4] == "on") as said:
    pid, parent = ray.get(ray.remote(lambda: (os.getpid(), os.getppid())).remote())
    command = pathlib.Path(f"/proc/{parent}/cmdline").read_text().replace(chr(0), " ")
    print(json.dumps([said, command]), flush=True)
"""
"""Prints the lines about the start, and the parent of a worker."""

SILENT = """
import os, time
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.2)
"""
"""A process that neither registers with the raylet nor exits before it."""


def started(broken: str, timeout_s: float, script: Path, switch: str = "on") -> Any:
    done = subprocess.run(
        [sys.executable, "-c", START, broken, str(timeout_s), str(script), switch],
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0
    return json.loads(done.stdout.splitlines()[-1])


def test_workers_that_never_register_do_not_hang_the_start(tmp_path: Path) -> None:
    script = tmp_path / "silent.py"
    script.write_text(SILENT)
    (line,), parent = started("worker", 5, script)
    assert "no worker within 5 s" in line and "RAYSWEEP_FAST_START=0" in line
    assert "raylet" in parent


def test_agents_that_never_publish_their_ports_do_not_hang_the_start(tmp_path: Path) -> None:
    script = tmp_path / "silent.py"
    script.write_text(SILENT)
    (line,), parent = started("agent", 60, script)
    assert "timed out during startup" in line and "RAYSWEEP_FAST_START=0" in line
    assert "raylet" in parent


def test_the_config_switches_them_off(tmp_path: Path) -> None:
    said, parent = started("none", 60, tmp_path, "off")
    assert said == [] and "raylet" in parent
    said, parent = started("none", 60, tmp_path)
    assert said == [] and "ForkServer" in parent


VERBOSE = """
import os, time
import ray
from raysweep.cluster import cluster

@ray.remote
def speak():
    print("a worker speaks")
    return os.getppid()

with cluster.connect(None, local_mode=False, verbose=True):
    parent = ray.get(speak.remote())
    with open(f"/proc/{parent}/cmdline") as command:
        print("parent", command.read().replace(chr(0), " "), flush=True)
    time.sleep(3)
"""


def test_verbose_shows_what_workers_print_and_still_patches() -> None:
    done = subprocess.run(
        [sys.executable, "-c", VERBOSE], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "parent raysweep::ForkServer" in done.stdout
    assert "a worker speaks" in done.stdout + done.stderr
