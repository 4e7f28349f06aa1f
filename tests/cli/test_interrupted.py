"""Ctrl-C and SIGTERM: exit code 130, a helpful last line, all runs closed, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGSTOP, SIGTERM

import pytest

from raysweep.cluster.faststart.fork_server import TITLE

from commands import REPOSITORY, environment
from family import in_folder, still_alive
from running_sweep import Sweep
from sweeps import HAS_LOCAL_MODE, runs_by_job, stored


def send(sweep: Sweep, number: signal.Signals) -> None:
    """Send a signal as a terminal does (Ctrl-C, to the whole process group) or `kill` (to one)."""
    assert len(sweep.look()) > 5, "Ray's processes are seen"
    if number is SIGINT:
        os.killpg(sweep.process.pid, number)
    else:
        sweep.process.send_signal(number)


def assert_ended_well(sweep: Sweep) -> None:
    """Assert that the sweep left a message, its record and closed runs, and no process."""
    assert sweep.end(10) == 130, sweep.lines
    assert sweep.lines[-1] == (
        "raysweep: interrupted: mine has no best yet; progress is saved, resume it with: "
        "python -m raysweep resume mine"
    )
    assert not any("Traceback" in line or "SIGTERM" in line for line in sweep.lines)
    assert sweep.leaves() == []
    left = {path.name for path in (sweep.storage / "mine").iterdir()}
    assert left - {"checkpoints", "logs"} == {
        "config.given.yaml",
        "config.yaml",
        "journal.jsonl",
        "sweep.json",
    }
    tracker = stored(sweep.storage).tracker()
    states = {run.state for run in runs_by_job(tracker, "mine").get("train", [])}
    assert states <= {"finished", "interrupted"}
    assert all(run.state != "running" for run in tracker.runs())
    tracker.close()


@pytest.mark.parametrize(
    ("number", "at", "epochs"),
    [(SIGTERM, "sweep ", 200), (SIGINT, "epoch 2/", 200), (SIGINT, "evaluating ", 1)],
)
def test_at_any_time(
    sweep: Callable[..., Sweep], number: signal.Signals, at: str, epochs: int
) -> None:
    one = sweep("mine", epochs, rates=(0.01,))
    one.wait_for(at)
    send(one, number)
    assert_ended_well(one)


@pytest.mark.timeout(600)
def test_sigterm_to_all_its_processes(sweep: Callable[..., Sweep]) -> None:
    """As `timeout`, systemd and batch systems send it; Ray's processes end at it, too. Where the
    driver asks them something at that moment, Ray aborts it before it can say anything: about one
    time in eight. Nothing is left then, either."""
    for attempt in range(5):
        one = sweep(f"mine-{attempt}", 200, rates=(0.01,))
        one.wait_for("epoch 2/")
        assert len(one.look()) > 5, "Ray's processes are seen"
        os.killpg(one.process.pid, SIGTERM)
        code = one.end(90)  # Ray gives up a call to its dead server after a minute
        assert one.leaves() == []
        if code != 1:
            break
    assert code == 130, "\n".join(one.lines)
    assert one.lines[-1] == (
        f"raysweep: interrupted: mine-{attempt} has no best yet; progress is saved, resume it "
        f"with: python -m raysweep resume mine-{attempt}"
    )


def in_the_background() -> None:
    """Ignore SIGINT, as a shell without job control does for `command &`."""
    signal.signal(SIGINT, signal.SIG_IGN)


def all_blocked() -> None:
    """Block all signals, as a parent that waits for them in a thread does for its children."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {SIGINT, SIGTERM, signal.SIGHUP})


@pytest.mark.parametrize(
    ("prepare", "options"),
    [
        (in_the_background, ()),
        (in_the_background, ("--local-mode",)),
        (all_blocked, ("--local-mode",)),
    ],
)
@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
def test_sigterm_however_it_was_started(
    sweep: Callable[..., Sweep], prepare: Callable[[], None], options: tuple[str, ...]
) -> None:
    one = sweep("mine", 200, rates=(0.01,), options=options, prepare=prepare)
    one.wait_for("epoch 2/")
    one.look()
    one.process.send_signal(SIGTERM)
    assert_ended_well(one)


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
def test_an_ignored_signal_stays_ignored(sweep: Callable[..., Sweep]) -> None:
    """`nohup command &` ignores Ctrl-C and a closed terminal."""

    def prepare() -> None:
        in_the_background()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    one = sweep("mine", 4, rates=(0.01,), options=("--local-mode",), prepare=prepare)
    one.wait_for("epoch 1/")
    one.process.send_signal(SIGINT)
    one.process.send_signal(signal.SIGHUP)
    assert one.end() == 0, one.lines


WHILE_JOINING = """
import os, signal, sys
import ray
from raysweep.cli.main import main

real = ray._raylet.CoreWorker

class Interrupted:
    def __call__(self, *args, **options):
        made = real(*args, **options)
        os.kill(os.getpid(), int(sys.argv[1]))
        return made

    def __getattr__(self, name):
        return getattr(real, name)

ray._raylet.CoreWorker = Interrupted()
sys.exit(main(["run", "--set", "data.dataset=digits", "--set", "data.train_size=600"]))
"""


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_while_ray_makes_the_process_a_driver(tmp_path: Path, number: signal.Signals) -> None:
    """Ray ends with a segmentation fault if it is interrupted there."""
    done = subprocess.run(
        [sys.executable, "-c", WHILE_JOINING, str(int(number))],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(REPOSITORY)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 130, done.stderr
    last = "raysweep: interrupted before the sweep had started; nothing is kept"
    assert done.stderr.splitlines()[-1] == last
    assert list(tmp_path.iterdir()) == []
    assert still_alive(in_folder(tmp_path)) == []


def test_a_second_signal_ends_it_at_once(sweep: Callable[..., Sweep]) -> None:
    one = sweep("mine", 200, rates=(0.01,))
    one.wait_for("epoch 2/")
    send(one, SIGINT)
    time.sleep(0.5)
    with suppress(ProcessLookupError):  # it is as quick as that
        os.killpg(one.process.pid, SIGINT)
    assert one.end(5) == 130, one.lines
    assert one.leaves() == []
    assert not any("Traceback" in line for line in one.lines)


def test_when_tune_is_up_and_no_trial_has_started(sweep: Callable[..., Sweep]) -> None:
    """Tune swallows the signal and returns normally, since no trial has started."""
    one = sweep("mine", 200, rates=(0.01,))
    one.wait_for("initialize ")
    idle = [process for process in one.look() if process.title in ("ray::IDLE", TITLE)]
    assert TITLE in {process.title for process in idle}
    for process in idle:
        with suppress(ProcessLookupError):  # Ray may end one that is idle
            os.kill(process.pid, SIGSTOP)  # none can become the trial's
    deadline = time.monotonic() + 60
    while not list((one.storage / "mine" / "tune").glob("experiment_state-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    send(one, SIGINT)
    assert_ended_well(one)
    assert not any("trial-" in line for line in one.lines), "too late to test what it is to test"
