"""A Ray started here: its agents start on the first connection, and no one waits in vain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray import _raylet
from ray._private import services
from ray._private.state import GlobalState

from raysweep.cluster.faststart import lean
from raysweep.cluster.faststart.probe import probe, usable

import family

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Ray starts its own")

ASKED = """
import json, os, signal, time
import ray
from family import family
from raysweep.cluster import cluster

def agents():
    titles = {each.pid: each.title for each in family(os.getpid())}
    return {pid: title for pid, title in titles.items() if is_agent(title.split())}

def is_agent(words):
    return words[0].endswith("Agent") or any(word.endswith("ray_agent.py") for word in words[:3])

@ray.remote
def mark():
    return os.environ.get("MARK")

with cluster.connect(None, local_mode=False, verbose=False):
    told = [[ray.get(mark.remote()), agents()]]
    env = {"env_vars": {"MARK": "1"}}
    told.append([ray.get(mark.options(runtime_env=env).remote()), agents()])
    print(json.dumps(told), flush=True)
    time.sleep(1000)
"""


def test_the_runtime_env_agent_starts_for_a_task_with_an_environment() -> None:
    path = os.pathsep.join([str(Path(family.__file__).parent), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    with subprocess.Popen(
        [sys.executable, "-c", ASKED], stdout=subprocess.PIPE, text=True, env=env
    ) as driver:
        try:
            assert driver.stdout is not None
            (nothing, before), (mark, after) = json.loads(driver.stdout.readline())
            members = family.family(driver.pid)
            rays_own = {each for each in members if each.title == "ray::RuntimeEnvAgent"}
        finally:
            driver.kill()
    assert (nothing, mark) == (None, "1")
    assert len(before) == 2
    assert all("ray_agent.py" in title for title in before.values())
    assert before.keys() == after.keys(), "it is the same process"
    assert len(rays_own) == 1
    assert family.still_alive(members - rays_own) == []
    for each in rays_own:  # they idle for 60 s: they wait for a server that was killed, too
        os.kill(each.pid, signal.SIGKILL)


def test_the_runtime_env_agent_listens_at_its_nodes_address(tmp_path: Path) -> None:
    """A node's address may be IPv4 or IPv6."""
    for host in ("127.0.0.1", "::1"):
        options = [f"--session-dir={tmp_path}", "--node-id=a", f"--node-ip-address={host}"]
        script = "/ray/_private/runtime_env/agent/main.py"
        told = tmp_path / "runtime_env_agent_port_a"
        env = {**os.environ, "RAY_RAYLET_PID": str(os.getpid())}
        command = [sys.executable, str(lean.AGENT), script, *options]
        with subprocess.Popen(command, env=env) as agent:
            try:
                deadline = time.monotonic() + 20
                while not told.exists():
                    assert agent.poll() is None and time.monotonic() < deadline
                    time.sleep(0.02)
                socket.create_connection((host, int(told.read_text()))).close()
                assert agent.wait(20) == 2, "it has become the script, which is not there"
            finally:
                agent.kill()
        told.unlink()


def test_a_ray_that_publishes_another_port_keeps_its_agents(
    anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for that port, and not start."""
    real = services._build_python_executable_command_memory_profileable
    with lean.patched(usable()):
        assert services._build_python_executable_command_memory_profileable is not real
    monkeypatch.setattr(_raylet, "NEW_PORT_NAME", "new_port", raising=False)
    probe.cache_clear()
    with lean.patched(usable()):
        assert services._build_python_executable_command_memory_profileable is real


def test_a_raylet_that_is_not_registered_yet_is_polled_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray's own lookup would sleep for 1 s, so it runs only when it finds the raylet."""
    looked: list[str] = []

    def node_table(self: GlobalState) -> list[dict[str, str]]:
        looked.append("looked")
        return [{"NodeID": "another"}, *[{"NodeID": "ours"}] * (len(looked) > 3)]

    def get_node(self: GlobalState, node_id: str) -> str:
        looked.append("asked")
        return node_id

    monkeypatch.setattr(GlobalState, "node_table", node_table)
    monkeypatch.setattr(GlobalState, "get_node", get_node)
    with lean.patched(usable()):
        assert GlobalState().get_node("ours") == "ours"
    assert looked == [*["looked"] * 4, "asked"]
