"""The command line: exit codes, one-line errors, and stdout kept for JSON."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raysweep import cli
from raysweep.config import Config
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.version import __version__

LIGHT = {"pydantic", "ray", "torch", "trackio", "wandb", "rich", "yaml", "numpy", "pandas"}

RESULT: dict[str, Any] = {
    "trials": {"total": 2, "completed": 2, "stopped": 0, "failed": 0},
    "best": {
        "trial": "trial-0001",
        "artifact": "trained-model:v1",
        "config": {"learning_rate": 0.01},
        "metrics": {"validation/loss": 0.1, "validation/accuracy": 97.5},
    },
    "test": {"loss": 0.11, "accuracy": 97.0},
}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "runs"


class Answer:
    """What a command said, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def complaint(self) -> str:
        """The one line of a command whose input is wrong."""
        assert self.code == 2
        assert self.out == ""
        assert "Traceback" not in self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("raysweep: ").rstrip("\n")


@pytest.fixture
def call(storage: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """call("run", "--json"): the command, on this test's storage and the embedded digits."""

    def run_command(command: str, *arguments: object, place: Path = storage) -> Answer:
        argv = [command, "--storage", str(place), *map(str, arguments)]
        if command in ("run", "plan"):
            argv += ["--tracker", "trackio"]
        capfd.readouterr()
        code = cli.main(argv)
        return Answer(code, *capfd.readouterr())

    return run_command


def make_sweep(storage: Path, name: str = "one", result: Any = None) -> SweepFolder:
    record = SweepRecord.new(name, "artifacts-example", None, "trackio")
    folder = Storage(storage).create(record, Config().to_dict())
    if result is not None:
        folder.write_result({"sweep": name} | result)
    return folder


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


DIGITS = ("--set", "data.dataset=digits")
RANGE = "{min: 5, max: 1}"

WRONG = {
    "a misspelt key": (["train.epoch=3"], "train.epoch: unknown key; did you mean epochs?"),
    "a misspelt section": (["trian.epochs=3"], "did you mean train"),
    "a wrong type": (["train.epochs=three"], 'expected an integer, got the text "three"'),
    "min above max": ([f"sweep.parameters.learning_rate={RANGE}"], "min"),
    "an unknown optimizer": (["train.optimizer=AdamX"], 'unknown optimizer "AdamX"'),
    "an unknown activation": (["model.activation=Relu"], "did you mean ReLU?"),
    "an unknown distribution": (
        ["sweep.parameters.learning_rate={distribution: unifrom, min: 0, max: 1}"],
        "did you mean uniform?",
    ),
    "a metric that no trial reports": (["sweep.metric={name: val_loss}"], "no trial reports"),
    "an unknown parameter": (["sweep.parameters.learning_rte={value: 1}"], "learning_rate?"),
    "kernels that leave no pixels": (["model.kernel_sizes=[27]"], "leave no pixels"),
    "pools that leave no pixels": (["model.pool_sizes=[2, 99]"], "leave no pixels"),
    "too few classes": (["model.num_classes=9"], "too few"),
    "a project name that Trackio refuses": (["tracking.project=my_artifacts"], "reserves"),
    "a project name that is none": (["tracking.project='a b'"], "is not a valid project name"),
    "a data set that there is not": (["data.dataset=CIFAR10"], "known: MNIST"),
    "no value": (["train.epochs"], "expected KEY=VALUE"),
    "an override without effect": (["train.learning_rate=0.1"], "has no effect"),
}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(("settings", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_input_is_one_line_and_leaves_nothing(
    call: Any, storage: Path, command: str, settings: list[str], words: str
) -> None:
    overrides = [part for setting in settings for part in ("--set", setting)]
    assert words in call(command, *DIGITS, *overrides).complaint
    assert not storage.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "train.epoch=3"], "did you mean epochs?"),
        (["--set", "data.root=data"], "data.root: data is relative"),
        (["--name", "a/b"], "a sweep's name"),
        (["--address", "head:8265"], "--address head:8265: expected the address of"),
        (["--storage", "s3://b/p", "--report", "--no-wait"], "--report: the page of a sweep at"),
    ],
)
def test_wrong_input_is_found_before_anything_is_sent(
    call: Any, arguments: list[str], words: str
) -> None:
    nobody = ("--address", "http://127.0.0.1:9")
    assert words in call("submit", *DIGITS, *nobody, *arguments).complaint


FILES = {
    "no such file": (None, "no such file"),
    "not YAML": ("train: [1, 2", "not YAML"),
    "not text": (b"\x89PNG\r\n\x1a\n\xff", "not a text file"),
    "a list": ("- 1\n- 2\n", "expected a mapping"),
    "empty": ("", "got nothing"),
    "a key twice": ("train: {}\ntrain: {}\n", "given twice"),
}


@pytest.mark.parametrize("option", [[], ["--sweep"]], ids=["config", "sweep"])
@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_no_config_is_named(
    call: Any, storage: Path, tmp_path: Path, option: list[str], content: Any, words: str
) -> None:
    path = tmp_path / "a sweep.yaml"
    if content is not None:
        write(path, content)
    complaint = call("run", *option, path).complaint
    assert complaint.startswith(str(path))
    assert words in complaint
    assert not storage.exists()


def test_a_folder_as_a_config(call: Any, tmp_path: Path) -> None:
    assert "Is a directory" in call("run", tmp_path).complaint


def test_a_storage_below_a_file(call: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "file", "mine")
    complaint = call("run", *DIGITS, place=file / "runs").complaint
    assert f"{file} is a file, not a folder" in complaint
    assert file.read_text() == "mine"


def test_a_truncated_mnist_file_is_named(call: Any, storage: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    header = struct.pack(">IIII", 0x0803, 60_000, 28, 28)
    path = write(folder / "train-images-idx3-ubyte", header + bytes(1000))
    complaint = call("run", "--set", f"data.root='{tmp_path / 'data'}'").complaint
    assert complaint.startswith(f"{path}: 1016 bytes, but its header promises 47040016: truncated")
    assert not storage.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("taken", "choose another name"), ("a/b", "a sweep's name"), ("tracker", "a sweep's name")],
)
def test_a_name_that_cannot_be_had(call: Any, storage: Path, name: str, words: str) -> None:
    make_sweep(storage, "taken")
    assert words in call("run", *DIGITS, "--name", name).complaint
    assert [folder.name for folder in storage.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["best", "nine"],
        ["lineage", "trained-model:best", "--sweep", "nine"],
        ["dashboard", "nine", "--no-browser"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_sweep_is_answered_with_the_known_ones(
    call: Any, storage: Path, arguments: list[str]
) -> None:
    complaint = call(*arguments).complaint
    assert complaint.startswith(f"no sweep named nine in {storage} (there: none yet)")
    assert not storage.exists()
    make_sweep(storage, "one")
    assert "(1 there; the latest: one)" in call(*arguments).complaint
    make_sweep(storage, "nime-tenths")
    listed = f"python -m raysweep list --storage {storage}"
    told = f"(2 there; the nearest: nime-tenths); see `{listed}`"
    assert call(*arguments).complaint == f"no sweep named nine in {storage} {told}"


def test_a_sweep_is_found_by_how_its_name_begins(call: Any, storage: Path) -> None:
    make_sweep(storage, "bc", RESULT)
    make_sweep(storage, "bcd-1", RESULT)
    answer = call("best", "bcd", "--json")
    assert json.loads(answer.out)["sweep"] == "bcd-1"
    assert answer.err == "raysweep: bcd: the sweep bcd-1\n"
    answer = call("resume", "bcd")
    assert answer.err.splitlines()[0] == "raysweep: bcd: the sweep bcd-1"
    assert "bcd-1 has ended already" in answer.err
    exact = call("best", "bc", "--json")
    assert (json.loads(exact.out)["sweep"], exact.err) == ("bc", "")


@pytest.mark.parametrize(
    "arguments", [["best"], ["lineage", "trained-model:best"]], ids=lambda arguments: arguments[0]
)
def test_a_sweep_that_did_not_end_has_no_best(
    call: Any, storage: Path, arguments: list[str]
) -> None:
    make_sweep(storage)
    complaint = call(*arguments).complaint
    assert "has no best" in complaint or "no artifact 'trained-model'" in complaint


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sweep"],
        ["run", "--unknown"],
        ["run", "--tracker", "mlflow"],
        ["submit", "configs/digits.yaml"],
        ["dashboard", "--port", "x"],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_an_unknown_command_or_option_is_a_usage_error(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("usage: python -m raysweep")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["lst"], "list"),
        (["run", "--locl-mode"], "--local-mode"),
        (["run", "--nme=mine"], "--name"),
        (["best", "mine", "--donwload", "x"], "--download"),
        (["run", "--tracker", "wnadb"], "wandb"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_misspelt_command_option_or_choice_is_answered_with_the_nearest(
    arguments: list[str], near: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].endswith(f"; did you mean {near}?")


def test_the_plan_as_json_is_alone_on_stdout(call: Any, storage: Path) -> None:
    answer = call("plan", *DIGITS, "--json")
    assert answer.code == 0
    plan = json.loads(answer.out)
    assert answer.out.count("\n") == 1
    assert [stage["artifact"] for stage in plan["stages"]][:2] == [
        "digits-raw",
        "digits-preprocess",
    ]
    assert plan["trials"] == Config().sweep.run_cap
    assert not storage.exists()


def test_the_plan_for_people_is_on_stdout(call: Any, storage: Path) -> None:
    answer = call("plan", *DIGITS)
    assert (answer.code, answer.err) == (0, "")
    assert "would run" in answer.out
    assert str(storage) in answer.out
    assert [line for line in answer.out.splitlines() if line != line.rstrip()] == []


OTHERS = """
program: train.py
method: grid
metric: {name: mAP}
parameters: {opt: {parameters: {lr: {values: ["0.1", 0.2, 0.3]}}}}
"""


def test_another_programs_sweep_file_is_planned_by_itself(
    call: Any, storage: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "other.yaml", OTHERS)
    answer = call("plan", "--sweep", path, "--space-only", "--show", "2")
    assert answer.code == 0
    assert "opt.lr" in answer.out
    assert "grid: 3 trials" in answer.out
    assert answer.out.splitlines()[-2:] == ["1  opt.lr=0.1", "2  opt.lr=0.2"]
    assert answer.err == "", "its values are the program's, as they are written"
    plan = json.loads(call("plan", "--sweep", path, "--space-only", "--json").out)
    assert plan["combinations"] == len(plan["first"]) == 3
    assert plan["notices"] == []
    assert "sweep.program: " in call("plan", "--sweep", path).complaint
    assert not storage.exists()


@pytest.mark.parametrize("arguments", [[], [*DIGITS, "--sweep", "x.yaml"]])
def test_a_space_alone_is_that_of_a_sweep_file(call: Any, arguments: list[str]) -> None:
    assert "give --sweep FILE and no config" in call("plan", "--space-only", *arguments).complaint


def test_a_wrong_sweep_file_is_no_space(call: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "method: grid\nparameter: {}")
    complaint = call("plan", "--sweep", path, "--space-only").complaint
    assert complaint == f"{path}: parameter: unknown key; did you mean parameters?"


def test_a_plan_of_a_run_tells_what_to_know_of_its_files(call: Any, tmp_path: Path) -> None:
    text = "kind: x\nmethod: grid\nparameters: {shuffle: {value: yes}}"
    path = write(tmp_path / "s.yaml", text)
    answer = call("plan", *DIGITS, "--sweep", path)
    assert answer.err.count(f"WARNING: {path}: sweep.") == 2
    told = json.loads(call("plan", *DIGITS, "--sweep", path, "--json").out)["notices"]
    assert len(told) == 2


def test_a_space_alone_needs_nothing_heavy(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "method: random\nparameters: {x: {distribution: q_beta}}")
    heavy = ("ray", "torch", "optuna", "numpy", "scipy", "wandb", "trackio", "pandas")
    show = f"""
import sys
from raysweep import cli
assert cli.main(["plan", "--sweep", {str(path)!r}, "--space-only"]) == 0
print(sorted(set({heavy!r}) & sys.modules.keys()))
"""
    assert python("-c", show, check=True).stdout.splitlines()[-1] == "[]"


CHATTY = """
import os, sys
from raysweep import cli
from raysweep.sweep import plan
make_plan = plan.make_plan
def chatty(*arguments):
    print("hello from Python")
    os.write(1, b"hello from C\\n")
    return make_plan(*arguments)
plan.make_plan = chatty
code = cli.main(["plan", "--json", *sys.argv[1:]])
print("stdout is whole again")
sys.exit(code)
"""


def test_a_stray_print_does_not_reach_the_json(storage: Path) -> None:
    """Libraries print, some of them from C."""
    answer = python("-c", CHATTY, *DIGITS, "--storage", str(storage), check=True)
    first, last = answer.stdout.splitlines()
    assert json.loads(first)["storage"] == str(storage)
    assert last == "stdout is whole again"
    assert sorted(answer.stderr.splitlines()) == ["hello from C", "hello from Python"]


def test_sweeps_are_listed_with_their_whole_names(call: Any, storage: Path) -> None:
    assert json.loads(call("list", "--json").out) == {"sweeps": [], "recorded": []}
    name = "fashionmnist-20261123-0915-3fa2-and-a-long-tail-of-letters"
    make_sweep(storage, name, RESULT)
    make_sweep(storage, "unfinished")
    answer = call("list")
    assert answer.err == ""
    rows = [line.split() for line in answer.out.splitlines()[1:]]
    assert {row[0] for row in rows} == {name, "unfinished"}
    listed = json.loads(call("list", "--json").out)["sweeps"]
    assert {sweep["sweep"]: sweep["result"] for sweep in listed} == {
        name: {"sweep": name} | RESULT,
        "unfinished": None,
    }


def test_the_best_of_the_latest_sweep(call: Any, storage: Path) -> None:
    make_sweep(storage, result=RESULT)
    answer = call("best", "--json")
    assert (answer.code, answer.err) == (0, "")
    best = json.loads(answer.out)
    assert best == {"sweep": "one", **RESULT}, "the shape of result.json"
    shown = call("best", "one")
    assert shown.err == ""
    assert "one: trained-model:v1 of trial-0001 (learning_rate=0.01)" in shown.out


def test_the_lineage_of_an_artifact(call: Any, storage: Path, tmp_path: Path) -> None:
    from raysweep.tracking import ArtifactDraft, RunSpec
    from raysweep.tracking.trackio.store import TrackioStore
    from raysweep.tracking.trackio.tracker import TrackioTracker

    make_sweep(storage)
    tracker = TrackioTracker(TrackioStore(storage / "tracker", "artifacts-example"))
    run = tracker.start_run(RunSpec("id-1", "one-initialize", "initialize", "one"))
    weights = write(tmp_path / "weights", "bytes")
    run.log_artifact(ArtifactDraft("convnet", "model", "", {}, {"weights.pth": weights}))
    run.finish()
    answer = call("lineage", "convnet", "--json")
    assert (answer.code, answer.err) == (0, "")
    graph = json.loads(answer.out)
    assert graph["edges"] == [["run:id-1", "artifact:convnet:v0"]]
    shown = call("lineage", "convnet:v0")
    assert (shown.out, shown.err) == ("[initialize one-initialize] ─▶ convnet:v0 (latest)\n", "")
    assert "there is convnet" in call("lineage", "no-such").complaint
    assert "not a reference" in call("lineage", "a b").complaint


def test_an_interrupted_command_ends_with_130(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from raysweep.sweep import plan

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "make_plan", interrupted)
    answer = call("plan", *DIGITS)
    assert (answer.code, answer.err) == (130, "raysweep: interrupted\n")


def python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, **options
    )


BLOCKED = """
import os, signal, sys
from raysweep import cli
from raysweep.sweep import plan
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
plan.make_plan = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
sys.exit(cli.main(["plan", *sys.argv[1:]]))
"""


def test_a_job_of_rays_job_server_hears_that_it_is_stopped(storage: Path) -> None:
    """Ray starts it with Ctrl-C blocked, which SIGTERM is turned into."""
    answer = python("-c", BLOCKED, *DIGITS, "--storage", str(storage))
    assert (answer.returncode, answer.stderr) == (130, "raysweep: interrupted\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["submit", "--help"], ["--version"]]
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    show = f"""
import sys
from raysweep.cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0
print(sorted({LIGHT!r} & sys.modules.keys()), file=sys.stderr)
"""
    answer = python("-c", show, check=True)
    assert answer.stderr == "[]\n"
    if arguments == ["--version"]:
        assert answer.stdout == f"raysweep {__version__}\n"
    else:
        assert re.match(r"usage: python -m raysweep ", answer.stdout)


def test_the_package_offers_its_names_without_importing_ray() -> None:
    show = f"""
import sys, raysweep
assert raysweep.__version__ == {__version__!r}
assert set(raysweep.__all__) == {{
    "ListedSweep", "LoadedModel", "StoredResult", "SweepResult", "__version__",
    "load_model", "load_result", "resume_sweep", "run_sweep", "sweeps", "write_report",
}}
assert set(raysweep.__all__) <= set(dir(raysweep))
print(sorted({LIGHT!r} & sys.modules.keys()))
raysweep.SweepResult, raysweep.load_result, raysweep.sweeps
assert not {{"ray", "torch"}} & sys.modules.keys()
raysweep.load_model, raysweep.LoadedModel
assert "ray" not in sys.modules
"""
    assert python("-c", show, check=True).stdout == "[]\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_reader_that_goes_away_is_no_error(storage: Path, options: list[str]) -> None:
    """`raysweep list | true`"""
    make_sweep(storage, result=RESULT)
    command = [sys.executable, "-m", "raysweep", "list", *options, "--storage", str(storage)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_every_option_has_its_help(capfd: pytest.CaptureFixture[str]) -> None:
    commands = {"run", "submit", "plan", "list", "show", "best", "lineage", "dashboard"}
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    overview = capfd.readouterr().out
    assert all(re.search(rf"^    {command}\s+\w", overview, re.MULTILINE) for command in commands)
    for command in sorted(commands):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        lines = capfd.readouterr().out.splitlines()
        options = [i for i, line in enumerate(lines) if line.startswith("  -")]
        for i in options:
            following = lines[i + 1] if i + 1 < len(lines) else ""
            assert "  " in lines[i].strip() or following.startswith(" " * 20), lines[i]
