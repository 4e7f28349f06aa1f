"""Sweeps on a cluster of this machine's own, whose processes are killed at moments drawn by lot."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Literal

from commands import environment
from family import Process as Member
from family import family, still_alive
from ray_head import LEAN, WITHOUT_LOGS, lean_ray_start
from warm import COMMAND, Process, Warm

TARGETS = ("driver", "trial", "writer", "node")

TITLES = {
    "trial": re.compile("Trainable"),
    "writer": re.compile("^ray::Writer"),
    "supervisor": re.compile(r"/supervisor\.py \d+ "),
    "program": re.compile(r"^(?!.*/supervisor\.py ).*\btrain\.py( |$)"),
}
"""What a process calls itself that is to be killed, and the program of a sweep of programs."""

QUICK_TO_NOTICE = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
"""Ray's head takes a node for dead after 25 s by default."""

WORKERS = ("ray::Writer", "ray::TrialTrainable", "ray::ImplicitFunc", "ray::Evaluator")


class Cluster:
    """A head without CPUs, beside which sweeps are driven, and two nodes with one CPU each. They
    share this machine's files, and do not know it: a node is one of its own to raysweep."""

    def __init__(self, folder: Path, **env: str) -> None:
        self._folder = folder
        self._env = env
        self._count = 0
        self.nodes: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def up(self) -> Iterator[Cluster]:
        """Start it, and end it with all of its processes."""
        options = ("--head", "--port=0", "--num-cpus=0", *LEAN)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
            self._head, self.address = self._start(*options, f"--temp-dir={temp}")
            try:
                for _ in range(2):
                    self.add_node()
                yield self
            finally:
                members = {each for p in (*self.nodes, self._head) for each in family(p.pid)}
                for process in (*self.nodes, self._head):
                    process.terminate()
                for process in (*self.nodes, self._head):
                    process.wait(30)
                for member in members:
                    if member.alive:
                        os.kill(member.pid, signal.SIGKILL)

    def add_node(self) -> None:
        """Another node, with one CPU."""
        node, _ = self._start(f"--address={self.address}", "--num-cpus=1", WITHOUT_LOGS)
        self.nodes.append(node)

    def kill_node(self, number: int) -> None:
        """One of them is gone, with all its processes, and another is started."""
        node = self.nodes.pop(number)
        members = family(node.pid)
        for member in sorted(members, key=lambda each: "raylet" not in each.title):
            if member.alive:
                os.kill(member.pid, signal.SIGKILL)
        node.wait(30)
        self.add_node()

    def processes(self) -> set[Member]:
        """All of the head's and the nodes'."""
        return {each for p in (self._head, *self.nodes) for each in family(p.pid)}

    def _start(self, *options: str) -> tuple[subprocess.Popen[bytes], str]:
        self._count += 1
        log = self._folder / f"raylet-{self._count}.log"
        return lean_ray_start(log, *options, env={**os.environ, **QUICK_TO_NOTICE, **self._env})


@dataclass
class Round:
    """One sweep, disturbed until its kills are used up, and then brought to its end."""

    drivers: Warm
    """What each driver is a copy of."""
    where: Cluster | Literal["own Ray", "one process"]
    """In one process, in local mode, the only target is the whole sweep."""
    config: Path
    storage: Path
    name: str
    rng: random.Random
    most_lines: int = 40
    """So many lines of the driver's at most are between two kills,"""
    most_s: float = 0.3
    """and then so many seconds."""
    env: dict[str, str] = field(default_factory=dict)
    """The driver's, besides this process's."""
    kills: list[str] = field(default_factory=list)
    """What was killed, and when, for whoever reads of a failure."""
    lines: list[str] = field(default_factory=list)
    resumed: int = 0
    seen: set[Member] = field(default_factory=set)
    """Processes that were there before something was killed."""

    def undisturbed(self) -> None:
        """Run it to its end."""
        self._follow(self._command("run"), [])

    def disturbed(self, targets: list[str]) -> None:
        """Kill each of `targets` in turn, at some moment, and go on until the sweep has ended."""
        command, left = self._command("run"), list(targets)
        while not self._follow(command, left):
            if self._started():
                self.resumed += 1
                command = self._command("resume")
            else:
                shutil.rmtree(self.storage / self.name, ignore_errors=True)
        print(self.kills, f"resumed {self.resumed} times")  # for `pytest -rP`

    def story(self) -> str:
        """What happened, for a failure's message."""
        return "\n".join([f"{self.name}: killed {self.kills}", *self.lines[-60:]])

    def _command(self, command: str) -> list[str]:
        what = [str(self.config), "--name", self.name] if command == "run" else [self.name]
        where = {"own Ray": [], "one process": ["--local-mode"]}.get(str(self.where))
        if isinstance(self.where, Cluster):
            where = ["--address", self.where.address]
        return [command, *what, *(where or []), "--storage", str(self.storage)]

    def _started(self) -> bool:
        return (self.storage / self.name / "journal.jsonl").exists()

    def _follow(self, command: list[str], targets: list[str]) -> bool:
        """Whether the sweep has ended well: only the driver's own death may prevent it.

        Each of `targets` is taken from the list and killed after so many lines, and a moment.
        """
        with self.drivers.start(COMMAND, command, environment(**self.env)) as process:
            told: Queue[str | None] = Queue()
            Thread(target=_read, args=(process, told), daemon=True).start()
            until, alive = self.rng.randint(1, self.most_lines), True
            while (line := _next(told)) is not None:
                self.lines.append(line)
                until -= 1
                if until == 0 and targets and alive:
                    target = targets.pop(0)
                    time.sleep(self.rng.uniform(0, self.most_s))
                    self._kill(target, process)
                    alive = target != "driver"
                    until = self.rng.randint(1, self.most_lines)
            process.wait(30)
        if alive:
            assert process.returncode == 0, self.story()
        return alive

    def _kill(self, target: str, driver: Process) -> None:
        self.kills.append(f"{target} after {len(self.lines)} lines ({self.lines[-1][:40]})")
        cluster = self.where if isinstance(self.where, Cluster) else None
        members = cluster.processes() if cluster else family(driver.pid)
        self.seen |= members - {each for each in members if each.pid == driver.pid}
        if target == "driver":
            driver.kill()
        elif target == "node":
            assert cluster is not None
            cluster.kill_node(self.rng.randrange(2))
        else:
            found = [each for each in members if TITLES[target].search(each.title)]
            if found:  # none yet, or none any more
                chosen = self.rng.choice(sorted(found, key=lambda each: each.pid))
                os.kill(chosen.pid, signal.SIGKILL)
            else:
                self.kills[-1] += ", none there"


def left_over(cluster: Cluster) -> list[str]:
    """Processes of sweeps that are still there when their drivers are gone."""
    return still_alive(each for each in cluster.processes() if each.title.startswith(WORKERS))


def _read(process: Process, told: Queue[str | None]) -> None:
    for line in process.stdout:
        told.put(line.rstrip("\n"))
    told.put(None)


def _next(told: Queue[str | None], patience_s: float = 120) -> str | None:
    try:
        return told.get(timeout=patience_s)
    except Empty:
        raise AssertionError(f"not a word for {patience_s:.0f} s") from None
