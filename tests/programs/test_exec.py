"""`exec`: any command, with the embedded tracker behind its W&B client."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

from commands import call, raysweep, start

LOGS = "import wandb; wandb.init(project='p', id='one').log({'x': 5}); print('hello')"


def test_a_script_is_recorded_and_told_of(tmp_path):
    done = call("exec", "--storage", tmp_path / "runs", "--", sys.executable, "-c", LOGS)
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout.splitlines()
    assert "one" in done.stderr
    listed = call(
        "exec", "--storage", tmp_path / "runs", "--json", "--", sys.executable, "-c", LOGS
    )
    answer = json.loads(listed.stdout)
    assert answer["exit_code"] == 0
    (run,) = answer["runs"]
    assert (run["id"], run["project"], run["state"]) == ("one", "p", "finished")
    assert run["summary"]["x"] == 5


def test_what_it_recorded_is_shown_and_removed(tmp_path):
    storage = ("--storage", tmp_path / "runs")
    for name in ("one", "two"):
        script = LOGS.replace("'one'", f"{name!r}, config={{'lr': 0.5}}")
        assert call("exec", *storage, "--", sys.executable, "-c", script).returncode == 0
    assert call("show", "p", *storage).stdout == "run one of p: finished\nrun two of p: finished\n"
    shown = call("show", "two", *storage).stdout.splitlines()
    assert shown == ["run two of p: finished", "  config: lr=0.5", "  summary: x=5"]
    assert raysweep("show", "p", *storage, "--json")["runs"][1]["summary"] == {"x": 5}
    assert call("logs", "one", *storage, "--tail", "1").stdout.endswith(" hello\n")
    which = call("logs", "p", *storage)
    assert which.returncode == 2
    assert "project p: name a run of it; it has one, two" in which.stderr
    removed = call("remove", "one", *storage, "--yes")
    assert removed.returncode == 0, removed.stderr
    assert removed.stderr.startswith("run one of p, as exec has recorded it: 1 run\n")
    assert removed.stdout.startswith("removed run one: ")
    assert raysweep("list", *storage, "--json")["recorded"][0]["runs"] == 1
    gone = call("remove", "one", *storage, "--yes")
    assert gone.returncode == 2
    assert gone.stderr.startswith("raysweep: no sweep named one in ")


@pytest.mark.parametrize(("code", "json_too"), [(255, False), (7, True)])
def test_its_exit_code_is_the_commands(tmp_path, code, json_too):
    options = ("--json",) if json_too else ()
    script = f"import sys; sys.exit({code})"  # 255: no signal has the number 127
    done = call("exec", "--storage", tmp_path, *options, "--", sys.executable, "-c", script)
    assert done.returncode == code
    assert f"ended with exit code {code}" in done.stderr
    if json_too:
        assert json.loads(done.stdout) == {"runs": [], "sweeps": [], "exit_code": code}


def test_a_command_that_is_not_there_is_wrong_input(tmp_path):
    done = call("exec", "--storage", tmp_path, "--", "nothing-like-it")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("raysweep: exec: nothing-like-it: ")
    assert "Traceback" not in done.stderr


def test_sigterm_reaches_the_command(tmp_path):
    script = "import time; print('up', flush=True); time.sleep(600)"
    arguments = ("exec", "--storage", tmp_path, "--", sys.executable, "-c", script)
    with start(*arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "ended by SIGTERM" in err
    assert time.monotonic() - begun < 60


def test_ctrl_c_leaves_nothing(tmp_path):
    """The third one kills a command that takes no notice, and what has left its group."""
    script = "trap '' INT; setsid sleep 600 & echo $!; wait; wait; wait; sleep 600"
    with start("exec", "--storage", tmp_path, "--", "bash", "-c", script) as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "ended by SIGKILL" in err
    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)
