"""Programs that run once, without Ray: their runs, their failures, and when they are run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.config.failure import Failure, logged
from raysweep.errors import CodeFailed, ConfigError, UserError
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.program import calls, earlier
from raysweep.trials.program.earlier import Logged
from raysweep.trials.program.once import run_once
from raysweep.trials.program.workload import Program

LOG = """
import sys, wandb
from parts.words import WORD
with wandb.init(job_type="making") as run:
    if len(sys.argv) > 1:
        run.use_artifact("data:latest")
    made = wandb.Artifact(run.project and (sys.argv[1] if len(sys.argv) > 1 else "data"), "dataset")
    with made.new_file("word.txt") as file:
        file.write(WORD)
    run.log_artifact(made, aliases=["small"])
"""


def with_programs(programs: Any, *before: Any, **settings: Any) -> Config:
    programs.write("", "train.py")
    config: Config = programs.config({"before": list(before), **settings})
    return config


def run(programs: Any, config: Config, number: int = 0, sweep: str = "5ca1ab1e") -> Logged:
    call = calls.before(config)[number]
    identity = earlier.identity(call, config, programs.folder, os.environ)
    identity_of_sweep = SweepIdentity("climbs", sweep)
    given = (
        programs.tracker,
        identity_of_sweep,
        config,
        call,
        programs.root / "sweep",
        1,
        identity,
    )
    return run_once(*given)


def found(programs: Any, config: Config, number: int = 0) -> Logged | None:
    call = calls.before(config)[number]
    identity = earlier.identity(call, config, programs.folder, os.environ)
    return earlier.find(programs.tracker, programs.tracker.runs(), identity)


def test_a_program_is_found_again_until_it_or_what_it_used_changes(programs):
    (programs.folder / "parts").mkdir()
    words = programs.write("WORD = 'one'", "parts/words.py")
    programs.write(LOG, "make.py")
    config = with_programs(programs, "make.py", ["make.py", "derived"])
    assert found(programs, config) is None
    first, second = run(programs, config), run(programs, config, 1)
    assert (first.refs, second.refs) == (("data:v0",), ("derived:v0",))
    assert second.used == {"data:latest": "data:v0"}
    record = programs.record("make")
    assert (record.job_type, record.group, record.state) == ("making", "climbs", "finished")
    assert found(programs, config).refs == first.refs
    assert found(programs, config, 1).refs == second.refs

    words.write_text("WORD = 'two'")  # a module that it imports
    assert found(programs, config) is None
    newer = run(programs, config, sweep="another")
    assert newer.refs == ("data:v1",)
    words.write_text("WORD = 'one'")
    assert found(programs, config).refs == first.refs
    assert found(programs, config, 1) is None  # data:latest is another version now
    earlier.give_aliases(programs.tracker, first)
    assert found(programs, config, 1).refs == second.refs
    assert set(programs.tracker.artifact("data:v0").aliases) == {"latest", "small"}


def test_a_program_that_logs_nothing_is_never_found(programs):
    programs.write("import wandb; wandb.init()", "make.py")
    config = with_programs(programs, "make.py")
    assert run(programs, config).refs == ()
    assert found(programs, config) is None


def test_a_program_that_fails_says_where(programs):
    programs.write("import wandb\nwandb.init()\n\nraise KeyError('x')\n", "make.py")
    with pytest.raises(CodeFailed) as raised:
        run(programs, with_programs(programs, "make.py"))
    message = "program.before[0]: make.py: ended with exit code 1: KeyError: 'x' (make.py:4)"
    assert str(raised.value) == message
    failure = Failure.of(raised.value)
    assert failure.where == f"{programs.folder / 'make.py'}:4"
    assert "raise KeyError('x')" in (failure.traceback or "")
    assert logged(raised.value) == f"[raysweep: {message}]\n"  # the log has its own traceback
    assert programs.record("make").state == "failed"


def test_a_program_that_is_killed_is_started_again(programs, tmp_path):
    mark = tmp_path / "mark"
    programs.write(
        f"import os, pathlib; mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists(): mark.touch(); os.kill(os.getpid(), 9)\n",
        "make.py",
    )
    run(programs, with_programs(programs, "make.py"))
    assert programs.record("make").state == "finished"


@pytest.mark.parametrize(
    ("before", "names"),
    [
        ("load.py", ["load"]),
        (["a/load.py", ["b/load.py", "3"]], ["load", "load-2"]),
        (
            [["python", "-m", "pkg.load"], ["bash", "fetch.sh"], "report.py"],
            ["load", "fetch", "report-3"],
        ),
    ],
)
def test_each_program_has_a_name_of_its_own(programs, before, names):
    config = programs.config({"before": before})
    assert [call.name for call in calls.before(config)] == names


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"before": ["none.py"]}, "program.before[0]: {folder}/none.py: no such file"),
        ({"after": "none.py"}, "program.after: {folder}/none.py: no such file"),
        ({"after": ["nobody-has-this"]}, "program.after: nobody-has-this: no such program"),
    ],
)
def test_programs_that_are_not_there_are_refused(programs, settings, message):
    programs.write("")
    with pytest.raises(UserError) as raised:
        Program().check_here(programs.config(settings))
    assert str(raised.value) == message.format(folder=programs.folder)


def test_a_trials_values_mean_nothing_to_them(programs):
    with pytest.raises(UserError, match=r"program.before\[0\]: \$\{args\} means nothing"):
        Program().check(programs.config({"before": [["load.py", "${args}"]]}))
    with pytest.raises(ConfigError, match=r"program\.before"):
        programs.config({"before": [[]]})


def test_relative_imports_are_its_own_files(tmp_path: Path):
    package = tmp_path / "pkg"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "load": "from . import a\nfrom .b import c",
        "a": "import os",
        "b": "def f():\n    from pkg import d",
        "d": "",
        "unused": "",
    }.items():
        (package / f"{name}.py").write_text(text)
    names = [path.stem for path in earlier.own_files(["python", "-m", "pkg.load"], tmp_path)]
    assert names == ["__init__", "a", "b", "d", "load"]
