"""`wandb agent --count N`, as many as there are CPUs, against the suite's stand-in for W&B.

The stand-in makes sweeps and no suggestions: here it answers agents, with a grid.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import ROOT
from benchmarks.peers import print_figures, programs, settings

sys.path.insert(0, str(ROOT / "tests"))

from wandb_server.routes import Request  # type: ignore[import-not-found]
from wandb_server.server import WandbServer  # type: ignore[import-not-found]
from wandb_server.sweeps import Sweep  # type: ignore[import-not-found]

SWEEP, PROJECT = "grid0001", "bench"


class Agents:
    """Answers agents as W&B does: a heartbeat of an agent without a run gets the next one."""

    def __init__(self, config: dict[str, Any], trials: int) -> None:
        self._config = config
        self._left = list(range(trials))
        self._lock = threading.Lock()

    def __call__(self, request: Request, act: Callable[[], bytes]) -> bytes | None:
        """See wandb_server's Intercept."""
        if request.operation == "SweepWithRuns":
            of = {"id": SWEEP, "config": yaml.safe_dump(self._config), "runs": {"edges": []}}
            return _data({"project": {"sweep": of}})
        if request.operation == "CreateAgent":
            return _data({"createAgent": {"agent": {"id": "agent"}}})
        if request.operation == "Heartbeat":
            commands = self._commands(json.loads(request.detail["runState"]))
            beat = {"agent": {"id": "agent"}, "commands": json.dumps(commands)}
            return _data({"agentHeartbeat": beat})
        return act()

    def _commands(self, running: dict[str, bool]) -> list[dict[str, Any]]:
        if running:
            return []
        with self._lock:
            if not self._left:
                return [{"type": "exit"}]
            x = self._left.pop(0)
        program = self._config["program"]
        run = {"run_id": f"run{x:05}", "program": program, "args": {"x": {"value": x}}}
        return [{"type": "run", "id": str(x), **run}]


def _data(value: dict[str, Any]) -> bytes:
    return json.dumps({"data": value}).encode()


def main() -> None:
    """Run a grid of `trials` trials of `program` with `cpus` agents."""
    asked = settings()
    config = programs.sweep(asked["program"], asked["trials"])
    with tempfile.TemporaryDirectory() as notes, tempfile.TemporaryDirectory() as folder:
        server = WandbServer(Path(folder))
        server.intercept = Agents(config, asked["trials"])
        project = server.state.project_for_writing(server.entity, PROJECT)
        project.sweeps[SWEEP] = Sweep(project, SWEEP, config)
        server.start()
        agents: list[subprocess.Popen[bytes]] = []
        # The count of trials may not be one of agents: the last heartbeats say `exit`.
        count = -(-asked["trials"] // asked["cpus"])
        of = f"{server.entity}/{PROJECT}/{SWEEP}"
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environ = {**os.environ, "PATH": path, **server.environ(), "BENCH_NOTES": notes}
        command = [sys.executable, "-m", "wandb", "agent", "--count", str(count), of]
        try:
            for number in range(asked["cpus"]):
                place = Path(folder, f"agent{number}")
                place.mkdir()
                (place / config["program"]).symlink_to(programs.FOLDER / config["program"])
                given = {**environ, "WANDB_DIR": str(place)}
                agents.append(subprocess.Popen(command, cwd=place, env=given, stdout=sys.stderr))
            codes = [agent.wait() for agent in agents]
        finally:
            for agent in agents:
                if agent.poll() is None:
                    agent.terminate()
                    agent.wait()
            server.stop()
        assert not any(codes), f"agents ended with {codes}"
        print_figures(notes=programs.read_notes(notes, asked["trials"]))


if __name__ == "__main__":
    main()
