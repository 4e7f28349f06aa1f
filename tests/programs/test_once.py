"""Programs that run once, without Ray: their runs, their failures, and when they are run again."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.config.failure import Failure, logged
from raysweep.errors import CodeFailed, ConfigError, UserError
from raysweep.events import silent
from raysweep.storage.journal import Journal, read_journal
from raysweep.storage.past import Past
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.program import calls
from raysweep.trials.program.folder import workdir
from raysweep.trials.program.once import before, earlier, winner
from raysweep.trials.program.once.earlier import Logged
from raysweep.trials.program.once.run import run_once
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
        (["load-3.py", "load.py", "load.py"], ["load-3", "load", "load-4"]),
        (["trial.py", "trial.py", "trial-7.py"], ["trial", "trial-program-2", "trial-7-3"]),
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
        ({"before": [["bash", "none.sh"]]}, "program.before[0]: {folder}/none.sh: no such file"),
        ({"after": "none.py"}, "program.after: {folder}/none.py: no such file"),
        ({"after": ["nobody-has-this"]}, "program.after: nobody-has-this: no such program"),
    ],
)
def test_programs_that_are_not_there_are_refused(programs, settings, message):
    programs.write("")
    with pytest.raises(UserError) as raised:
        Program().check_here(programs.config(settings))
    assert str(raised.value) == message.format(folder=programs.folder)


def test_an_argument_is_not_taken_for_the_program(programs):
    programs.write("")
    programs.write("", "gen.sh")
    before = [
        ["bash", "gen.sh", "out.py"],
        ["python", "-m", "pkg.load", "made.py"],
        ["python", "--opt=x.py", "${envvar:HERE}/gen.sh"],
    ]
    config = programs.config({"before": before})
    Program().check_here(config)
    assert [call.name for call in calls.before(config)] == ["gen", "load", "python"]


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


def test_files_that_a_command_names_anywhere_are_its_own(tmp_path: Path):
    folder, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    for path, text in {
        folder / "load.py": "import helper",
        folder / "helper.py": "",
        folder / "conf.yaml": "",
        folder / "key=odd.txt": "",
        elsewhere / "fetch.py": "from beside import a",
        elsewhere / "beside" / "a.py": "import far",
        elsewhere / "far.py": "",
        elsewhere / "more.json": "",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def names(*words: str) -> set[str]:
        return {str(each.relative_to(tmp_path)) for each in earlier.own_files([*words], folder)}

    loads = {"mine/load.py", "mine/helper.py"}
    assert names("python", str(folder / "load.py"), "", "x" * 5000, "a/\0b") == loads
    assert names("load.py", "--config=conf.yaml", "=") == {*loads, "mine/conf.yaml"}
    assert names("+a=b=conf.yaml", "key=odd.txt") == {"mine/conf.yaml", "mine/key=odd.txt"}
    fetches = {"elsewhere/fetch.py", "elsewhere/beside/a.py", "elsewhere/far.py"}
    more = f"++more={elsewhere / 'more.json'}"
    assert names(str(elsewhere / "fetch.py"), more) == {*fetches, "elsewhere/more.json"}


def test_a_script_outside_the_folder_counts_with_its_bytes(programs, tmp_path: Path):
    script, packed = tmp_path / "load.py", programs.write("no gzip at all", "rows.gz")
    script.write_text("one")
    config = with_programs(programs, [str(script), "--rows=rows.gz"])
    (call,) = calls.before(config)

    def identity() -> str:
        return earlier.identity(call, config, programs.folder, os.environ)

    first = identity()
    script.write_text("two")
    assert identity() != first
    script.write_text("one")
    assert identity() == first
    packed.write_text("other rows")
    assert identity() != first
    # Of root, too: reading a process's memory from its start fails for everybody.
    packed.unlink()
    packed.symlink_to("/proc/self/mem")
    with pytest.raises(UserError, match=r"^program\.before\[0\]: .*: cannot be read \("):
        identity()


def test_a_program_is_noted_as_done_after_all_that_it_logged(programs, tmp_path: Path):
    (programs.folder / "parts").mkdir()
    programs.write("WORD = 'one'", "parts/words.py")
    programs.write(LOG, "make.py")
    config = with_programs(programs, "make.py")
    run(programs, config)
    path = tmp_path / "journal.jsonl"

    def events(past: Past) -> list[tuple[str, str]]:
        journal = Journal(path)
        prepared = (programs.tracker, programs.sweep, config, past, journal, silent, None)
        before.prepare(*prepared)  # no Ray is needed: the run is there
        journal.close()
        return [(event["event"], event["stage"]) for event in read_journal(path)]

    assert events(Past()) == [("stage", "make"), ("before", "make")]
    path.write_text(path.read_text().splitlines(keepends=True)[0])  # killed in between
    assert events(Past(read_journal(path))) == [("stage", "make"), ("before", "make")]


def test_what_the_client_downloaded_does_not_stay_in_a_trials_folder(tmp_path: Path):
    (users := tmp_path / "users").mkdir()
    own = workdir.make(tmp_path / "own", users, None)
    version, kept = own / "artifacts" / "data:v3", own / "artifacts" / "plot.svg"
    version.mkdir(parents=True)
    (version / "training.pt").touch()
    kept.touch()
    workdir.drop_users(own, users, lambda _: [])
    assert list((own / "artifacts").iterdir()) == [kept]
    kept.unlink()
    version.mkdir()
    workdir.drop_users(own, users, lambda _: [])
    assert not own.exists()


def test_a_trials_own_links_stay_in_its_folder(tmp_path: Path):
    users, own = tmp_path / "users", tmp_path / "trial"
    (users / "data").mkdir(parents=True)
    (users / "train.py").write_text("x")
    workdir.make(own, users, None)
    (own / "epoch-3.ckpt").write_text("weights")
    (own / "last.ckpt").symlink_to("epoch-3.ckpt")
    (own / "train-link.py").symlink_to(users / "train.py")
    workdir.drop_users(own, users, lambda _: [])
    assert sorted(path.name for path in own.iterdir()) == [
        "epoch-3.ckpt",
        "last.ckpt",
        "train-link.py",
    ]
    assert (own / "last.ckpt").read_text() == "weights"


def test_what_a_model_was_made_of_is_known_over_any_number_of_generations(programs):
    class Chain:
        """A tracker in which each version was made from the one before it."""

        @staticmethod
        def artifact(ref: str) -> Any:
            return SimpleNamespace(producer=f"run-{ref.partition(':v')[2]}")

        @staticmethod
        def run(run_id: str) -> Any:
            number = int(run_id.removeprefix("run-"))
            return SimpleNamespace(used=(f"model:v{number - 1}", "raw:v0") if number else ())

    tracker: Any = Chain()
    last: Any = SimpleNamespace(id="last", used=("model:v3000", "other:v0"))
    found = winner.made_of(tracker, last)
    assert list(found.items()) == [("model", "v3000"), ("raw", "v0"), ("other", "v0")]


def test_a_program_that_takes_too_long_has_failed(programs):
    programs.write("import time; time.sleep(600)", "make.py")
    with pytest.raises(CodeFailed) as raised:
        run(programs, with_programs(programs, "make.py", timeout=0.5))
    late = "program.before[0]: make.py: took longer than program.timeout, 0.5 s"
    assert str(raised.value) == late
    assert programs.record("make").state == "failed"
