"""A trial of a program stepped by hand: its reports, its end, and every way it can fail."""

from __future__ import annotations

import math
import re
import sys
import time
from contextlib import closing, contextmanager

import pytest

from raysweep.cluster.capture import redirected
from raysweep.cluster.logs import NoLogs
from raysweep.cluster.open_log import OpenLog
from raysweep.storage.log_file import LogFile
from raysweep.trials.program import work
from raysweep.trials.program.errors import ProgramFailed, ProgramKilled
from raysweep.trials.program.workload import Program

from family import in_folder, still_alive

CLIMBS = """
import wandb
with wandb.init(project="another", config={"lr": 7, "own": 1}) as run:
    for i in range(3):
        run.log({"loss": run.config.lr * (3 - i), "word": f"w{i}", "late": float("nan")}, step=i)
        run.log({"accuracy": i, "flag": True}, step=i)
"""


def test_each_row_is_a_report_and_the_summary_is_the_score(programs):
    programs.write(CLIMBS)
    last = programs.run(programs.config())
    assert [(each.epochs, each.examples, each.last) for each in programs.reports] == [
        (1, 0, False),
        (2, 1, False),
        (3, 2, False),
        (3, 2, True),
    ]
    first = dict(programs.reports[0].metrics)
    assert math.isnan(first.pop("late"))
    assert first == {"loss": 1.5, "accuracy": 0}  # two logs to one step are one row
    assert (last.metrics["loss"], last.best["accuracy"]) == (0.5, 2)
    record = programs.record()
    assert (record.state, record.job_type, record.group) == ("finished", "train", "climbs")
    assert record.config["lr"] == 0.5  # the sweep's, over the script's own
    assert record.config["own"] == 1
    assert [row["word"] for row in programs.rows()] == ["w0", "w1", "w2"]


def test_the_summary_is_what_the_script_says(programs):
    programs.write(
        "import wandb\n"
        "run = wandb.init()\n"
        "run.define_metric('loss', summary='min')\n"
        "for loss in (3, 1, 2): run.log({'loss': loss})\n"
    )
    last = programs.run(programs.config())
    assert [each.metrics["loss"] for each in programs.reports] == [3, 1, 2, 1]
    assert last.best["loss"] == 1


def test_a_metric_of_the_summary_alone_is_one_report(programs):
    programs.write("import wandb\nrun = wandb.init()\nrun.summary['loss'] = 4\n")
    last = programs.run(programs.config())
    assert (last.epochs, last.metrics["loss"], last.last) == (1, 4, True)


def test_nested_parameters_come_nested(programs):
    programs.write(
        "import wandb\n"
        "run = wandb.init(config={'model': {'width': 1, 'depth': 9}})\n"
        "assert run.config.model['dropout'] == 0.25, run.config\n"
        "assert sorted(run.config.keys()) == ['model'], run.config\n"
        "run.log({'loss': 1})\n"
    )
    parameters = {"model": {"parameters": {"dropout": {"value": 0.25}}}}
    programs.run(programs.config(parameters=parameters, command=["${interpreter}", "train.py"]))
    assert programs.record().config["model"]["dropout"] == 0.25


def test_a_failure_names_the_exception_and_its_place(programs):
    programs.write(
        "import wandb\nrun = wandb.init()\ndef train():\n    raise KeyError('x')\ntrain()\n"
    )
    with pytest.raises(ProgramFailed, match=r"exit code 1: KeyError: 'x' \(train.py:4\)"):
        programs.run(programs.config())
    record = programs.record()
    assert record.state == "failed"
    assert "train.py:4" in record.error


def test_a_missing_module_names_the_python_that_lacks_it(programs):
    programs.write("import wandb\nimport no_such_module\n")
    where = r"'no_such_module' \(train\.py:2\)"
    with pytest.raises(ProgramFailed, match=f"{where}; it ran with {re.escape(sys.executable)}$"):
        programs.run(programs.config())
    words = ["bash", "-c", f"{sys.executable} train.py"]
    with pytest.raises(ProgramFailed, match=f"{where}$"):
        programs.run(programs.config(command=words))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("print('no run')", "never called wandb.init"),
        (
            "import wandb\nwandb.init(mode='offline').log({'loss': 1})",
            "mode offline",
        ),
        ("import wandb\nwandb.init(mode='disabled').log({'loss': 1})", "disabled"),
        (
            "import wandb\nwandb.init().log({'b': 1, 'a': 2, 'loss': 'low'})",
            "without a number loss; it logged a, b",
        ),
        (
            "import wandb\nrun = wandb.init()\nrun.log({'loss': 1})\nrun.finish(exit_code=3)",
            "closed its run with exit code 3",
        ),
        ("import sys\nsys.exit(4)", "exit code 4$"),
        (
            "import argparse, wandb\nwandb.init()\nargparse.ArgumentParser().parse_args()",
            "exit code 2; it said: train.py: error: unrecognized arguments: --lr=0.5$",
        ),
    ],
)
def test_why_there_is_no_score(programs, script, words):
    programs.write(script)
    with pytest.raises(ProgramFailed, match=words):
        programs.run(programs.config())
    assert programs.record().state == "failed"


def test_a_traceback_is_in_the_log_once(programs, tmp_path, monkeypatch):
    programs.write("raise ValueError('no')\n")
    file = LogFile(tmp_path / "trial.log", 100_000)

    class OneLog(NoLogs):
        @contextmanager
        def capture(self, run):
            log = OpenLog(file, None)
            with closing(log), redirected(log.fileno()):
                yield log

    session = programs.session(programs.config(), logs=OneLog())
    with pytest.raises(ProgramFailed) as caught:
        session.step()
    text = file.path.read_text()
    assert text.count("Traceback (most recent call last)") == 1, text
    assert text.count("\nValueError: no\n") == 1, text
    assert text.endswith("exit code 1: ValueError: no (train.py:1)]\n"), text
    kept = caught.value.failure.traceback
    assert "ValueError: no" in kept
    assert f'File "{programs.folder / "train.py"}", line 1' in kept, "the user's file, not the copy"


def test_a_program_killed_by_a_signal_is_worth_another_process(programs):
    programs.write("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(ProgramKilled, match="killed by SIGKILL") as caught:
        programs.run(programs.config())
    assert Program().is_worth_another_process(caught.value)


def test_a_trial_that_is_started_again_has_its_rows_once(programs):
    programs.write(CLIMBS)
    programs.run(programs.config())
    session = programs.session(programs.config(), told=2)
    reports = []
    while not session.done:
        if session.advance(1.0):
            reports.append(session.report)
    assert [each.epochs for each in reports] == [3, 3]  # what was told is not told again
    assert [row["step"] for row in programs.rows()] == [0, 1, 2]


def test_a_timeout_ends_it(programs):
    programs.write("import time\ntime.sleep(60)\n")
    begun = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"longer than program.timeout, 1 s"):
        programs.run(programs.config({"timeout": 1}))
    assert time.monotonic() - begun < 30


STOPS = """
import pathlib, time, wandb
run = wandb.init()
try:
    for i in range(10_000):
        run.log({"loss": i})
        time.sleep(0.1)
finally:
    pathlib.Path("saved.txt").write_text("saved")
    run.summary["saved"] = True
"""


def test_a_stopped_script_can_save(programs):
    programs.write(STOPS)
    session = programs.session(programs.config())
    while not session.advance(1.0):
        pass
    seen = in_folder(programs.trial_folder())
    session.close()
    assert still_alive(seen) == []
    record = programs.record()
    assert (record.state, record.summary["saved"]) == ("finished", True)
    assert (programs.trial_folder() / "saved.txt").read_text() == "saved"
    assert not (programs.folder / "saved.txt").exists()


LAUNCHED = """
import os, pathlib, time, wandb
rank = os.environ["RANK"]
run = wandb.init() if rank == "0" else None
try:
    for i in range(10_000):
        if run is not None and pathlib.Path("1.ready").exists():
            run.log({"loss": i})
        time.sleep(0.1)
        pathlib.Path(f"{rank}.ready").touch()
finally:
    time.sleep(1)
    if run is not None:
        run.summary["saved"] = True
    pathlib.Path(f"{rank}.saved").touch()
"""


def test_torchrun_is_stopped_with_all_its_processes(programs):
    programs.write(LAUNCHED)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = ["${interpreter}", *launcher, "${program}"]
    session = programs.session(programs.config(command=command))
    while not session.advance(1.0):
        pass
    seen = in_folder(programs.trial_folder())
    assert sum("train.py" in process.title for process in seen) >= 3
    session.close()
    assert still_alive(seen) == []
    record = programs.record()
    assert (record.state, record.summary["saved"]) == ("finished", True)
    left = {path.name for path in programs.trial_folder().glob("*.saved")}
    assert left == {"0.saved", "1.saved"}


def test_a_script_that_does_not_stop_is_killed(programs):
    programs.write(
        "import signal, time, wandb\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "run = wandb.init()\n"
        "while True:\n"
        "    try:\n"
        "        run.log({'loss': 1}); time.sleep(0.05)\n"
        "    except KeyboardInterrupt: pass\n"
    )
    session = programs.session(programs.config({"grace_s": 0.5}))
    while not session.advance(1.0):
        pass
    begun = time.monotonic()
    session.close()
    assert time.monotonic() - begun < 30
    assert programs.record().state == "finished"


def test_the_trials_run_is_the_first_of_its_process(programs):
    programs.write(
        "import wandb\n"
        "for i in range(3):\n"
        "    with wandb.init(**({'id': 'mine'} if i == 0 else {})) as run:\n"
        "        run.log({'loss': i})\n"
    )
    last = programs.run(programs.config())
    assert last.metrics["loss"] == 0
    runs = programs.tracker.store.runs()
    assert len(runs) == 3
    losses = [programs.tracker.history(run.id)[0]["loss"] for run in runs]
    assert losses == [0, 1, 2]


def test_the_users_folder_stays_as_it_was(programs):
    programs.write(
        "import pathlib, wandb\n"
        "import helper\n"
        "pathlib.Path('model.pth').write_text(helper.TEXT + pathlib.Path('data/x').read_text())\n"
        "wandb.init().log({'loss': 1})\n"
    )
    programs.write("TEXT = 'weights '\n", "helper.py")
    (programs.folder / "data").mkdir()
    (programs.folder / "data" / "x").write_text("x")
    before = sorted(path for path in programs.folder.rglob("*") if "__pycache__" not in path.parts)
    programs.run(programs.config())
    after = sorted(path for path in programs.folder.rglob("*") if "__pycache__" not in path.parts)
    assert after == before
    assert [path.name for path in programs.trial_folder().iterdir()] == ["model.pth"]


def test_its_output_is_the_workers(programs, capfd):
    programs.write(
        "import sys, wandb\n"
        "wandb.init(settings={'silent': True}).log({'loss': 1})\n"
        "print('to stdout'); print('to stderr', file=sys.stderr); sys.stdout.flush()\n"
    )
    programs.run(programs.config())
    out, err = capfd.readouterr()
    assert "to stdout" in out
    assert "to stderr" in err


def test_the_end_of_a_program_is_no_look_later(programs, monkeypatch):
    monkeypatch.setattr(work, "_LOOK_S", 600.0)
    programs.write("import wandb\nwith wandb.init() as run: run.log({'loss': 1})\n")
    session = programs.session(programs.config())
    began = time.monotonic()
    while not session.done:
        session.advance(600.0)
    assert time.monotonic() - began < 300
    assert session.report.metrics["loss"] == 1


RESUMED = """
import os, pathlib, time, wandb
with wandb.init(resume="allow") as run:
    done = pathlib.Path("done.txt")
    first = run.starting_step if run.resumed else 0
    assert run.resumed == done.exists(), "its own files are there"
    for step in range(first, 6):
        run.log({"loss": 1 / (step + 1), "resumed": run.resumed})
        if step == 4 and not run.resumed:
            time.sleep(60)
        done.write_text(str(step + 1))
"""


def test_a_program_that_can_goes_on_from_its_step(programs):
    programs.write(RESUMED)
    config = programs.config({"resume": True, "grace_s": 0})
    session = programs.session(config)
    while session.told < 3:
        session.advance(1.0)
    session.pause()
    rows = programs.rows()
    assert len(rows) >= 3
    session = programs.session(config, told=2)
    last = None
    while not session.done:
        if session.advance(1.0):
            last = session.report
    assert last is not None
    assert last.epochs == 6
    after = programs.rows()
    assert [row["step"] for row in after] == list(range(6))
    assert after[: len(rows)] == rows
    assert [row["resumed"] for row in after] == [False] * len(rows) + [True] * (6 - len(rows))


def test_what_a_killed_process_left_of_its_uploads_is_removed(programs):
    left = programs.trial_folder().with_name(".trial-0000") / "part of a model"
    left.parent.mkdir(parents=True)
    left.touch()
    programs.write("import wandb\nwandb.init().log({'loss': 1})\n")
    programs.run(programs.config())
    assert not left.parent.exists()


def test_each_run_has_a_file_of_its_own_with_its_arguments(programs):
    """Trials at once may run in one folder."""
    programs.write(
        "import json, sys, wandb\n"
        "with wandb.init() as run:\n"
        "    run.log({'loss': json.load(open(sys.argv[1]))['lr'], 'file': sys.argv[1]})\n"
    )
    words = ["${interpreter}", "${program}", "${args_json_file}"]
    config = programs.config({"folder": "shared"}, command=words)
    assert programs.run(config, "trial-0000", lr=0.25).metrics["loss"] == 0.25
    assert programs.run(config, "trial-0001", lr=0.75).metrics["loss"] == 0.75
    files = {row["file"] for name in ("trial-0000", "trial-0001") for row in programs.rows(name)}
    assert len(files) == 2
