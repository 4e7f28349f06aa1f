"""Bad input: exit code 2, one line on stderr that says what to do, and nothing left behind."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raysweep.cli.main import main

from commands import call
from family import in_folder, still_alive

AS_NOBODY = """
import os, sys
import raysweep.cli, raysweep.sweep.sweep, raysweep.terminal.plain, raysweep.terminal.summary
if os.getuid() == 0:  # root may read and write everywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(raysweep.cli.main())
"""
"""The command without root's rights. All is imported before: others may not read root's Python."""


def refused(cwd: Path, *arguments: object, **env: str) -> str:
    """Return the line with which the command refuses. Assert that nothing is left behind."""
    before = set(cwd.rglob("*"))
    done = call(*arguments, cwd=cwd, **env)
    assert set(cwd.rglob("*")) == before
    assert still_alive(in_folder(cwd)) == []
    return reason(done)


@pytest.fixture
def refused_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """As `refused`, in this process and in `tmp_path`: for what never gets as far as starting Ray,
    where most of the time goes into a new process's imports."""

    def refuse(*arguments: str, **env: str) -> str:
        monkeypatch.chdir(tmp_path)
        for name, value in {"RAYSWEEP_DATA": os.devnull + "/none", **env}.items():
            monkeypatch.setenv(name, value)
        before = set(tmp_path.rglob("*"))
        code = main(arguments)
        assert set(tmp_path.rglob("*")) == before
        return reason(subprocess.CompletedProcess(arguments, code, *capsys.readouterr()))

    return refuse


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that the command printed on stderr."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    *above, line = done.stderr.splitlines()
    assert all(words.startswith("sweep ") for words in above), "but for the headline, it is alone"
    assert line.startswith("raysweep: ")
    return line


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.epoch=3", "train.epoch: unknown key; did you mean epochs?"),
        ("trian.epochs=3", "trian: unknown key; did you mean train?"),
        ("train.epochs=three", 'expected an integer, got the text "three"'),
        ("train.epochs=1.5", "expected an integer, got 1.5"),
        ("sweep.parameters.learning_rate={min: 1.0, max: 0.1}", "min 1.0 is above max 0.1"),
        ("train.optimizer=Adamm", "did you mean Adam?"),
        ("model.activation=Relu", "did you mean ReLU?"),
        ("sweep.parameters.dropout={distribution: unifrom}", "did you mean uniform?"),
        ("sweep.metric.name=validation/acc", 'no trial reports "validation/acc"'),
        ("model.kernel_sizes=[20, 20]", "leave no pixels of a 28x28 picture"),
        ("model.pool_sizes=[20]", "leave no pixels of a 28x28 picture"),
        ("tracking.project=my_artifacts", "tracking.project: 'my_artifacts' ends with"),
        ("tracking.project=my.model", "use 1 to 128 letters"),
        ("data.dataset=MINST", "unknown data set 'MINST'; known: MNIST"),
        ("train.learning_rate=0.1", "has no effect, since the sweep sets it"),
        ("train=3", "expected a mapping"),
        ("nonsense", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("train.epochs=[1", "not YAML"),
    ],
)
def test_a_value(refused_here: Callable[..., str], override: str, says: str) -> None:
    assert says in refused_here("run", "--set", override)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("random", "--warm-start: method random learns from no trial; use method bayes"),
        ("bayes", "no sweep named earlier in "),
    ],
)
def test_a_warm_start(refused_here: Callable[..., str], method: str, says: str) -> None:
    changes = ("--set", f"sweep.method={method}")
    assert says in refused_here("run", *changes, "--warm-start", "earlier")


def test_a_value_given_to_the_command(tmp_path: Path) -> None:
    line = refused(tmp_path, "run", "--set", "train.epoch=3")
    assert line == "raysweep: --set train.epoch=3: train.epoch: unknown key; did you mean epochs?"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--name", "a/b", "takes letters, digits"),
        ("--name", "tracker", "is not 'tracker'"),
        ("--sweep", "absent.yaml", "absent.yaml: no such file"),
        ("--tracker", "wandb", "run `wandb login`"),
        ("--address", "nonsense", "Invalid address format"),
        ("--address", "ray://127.0.0.1:1", "Ray Client reaches a cluster from outside"),
    ],
)
def test_an_option(refused_here: Callable[..., str], option: str, value: str, says: str) -> None:
    assert says in refused_here("run", option, value)


def test_a_cluster_that_does_not_answer_is_reported_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    line = refused(tmp_path, "run", "--address", "127.0.0.1:1")
    assert "--address 127.0.0.1:1: cannot join a Ray cluster there" in line
    assert time.monotonic() - began < 20  # Ray by itself: over 200 s


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bytes(range(256)), "not a text file"),
        (b"train: [1, 2\n", "line 2, column 1: not YAML"),
        (b"- train\n- data\n", "expected a mapping of keys to values"),
        (b"", "expected a mapping of keys to values, got nothing"),
        (b"train: {epochs: 3}\ntrain: {epochs: 4}\n", "line 2, column 1: not YAML: the key train"),
        (None, "no such file, looked for in"),
    ],
)
def test_a_file(
    refused_here: Callable[..., str], tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "sweep.yaml").write_bytes(content)
    line = refused_here("run", "sweep.yaml")
    assert line.startswith("raysweep: sweep.yaml")
    assert says in line


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users may enter: they may not enter pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def refused_to_nobody(cwd: Path, *arguments: str) -> str:
    """Return what `refused` does, as a user to whom file permissions apply."""
    before = set(cwd.rglob("*"))
    command = [sys.executable, "-c", AS_NOBODY, *arguments]
    env = os.environ | {"RAYSWEEP_DATA": str(cwd)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert set(cwd.rglob("*")) == before
    return reason(done)


def test_a_file_that_may_not_be_read(public: Path) -> None:
    (public / "sweep.yaml").touch(mode=0o000)
    line = refused_to_nobody(public, "run", "sweep.yaml")
    assert line == "raysweep: sweep.yaml: cannot be read: Permission denied"


def test_a_storage_that_may_not_be_written(public: Path) -> None:
    (public / "closed").mkdir(mode=0o555)
    line = refused_to_nobody(public, "run", "--storage", "closed/runs")
    assert f"cannot write in {public / 'closed'} (Permission denied)" in line


def test_data_that_may_not_be_read(public: Path) -> None:
    raw = public / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch(mode=0o000)
    line = refused_to_nobody(public, "run")
    assert "train-images-idx3-ubyte: cannot be read ([Errno 13] Permission denied" in line


def images(count: int, pixels: int) -> bytes:
    """Make an IDX file whose header promises `count` pictures, with `pixels` bytes of content."""
    return struct.pack(">IIII", 0x0803, count, 28, 28) + bytes(pixels)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("train-images-idx3-ubyte", images(60_000, 984), "1000 bytes, but its header promises"),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(images(100, 78_400))[:80],
            "Compressed file ended before",
        ),
        ("t10k-images-idx3-ubyte", b"<html>not found</html>", "starts with 3c68746d"),
    ],
    ids=["truncated", "truncated gzip", "a web page"],  # the same in each worker: no bytes, no time
)
def test_a_damaged_data_set(
    refused_here: Callable[..., str], tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """Damaged data is an error: the fallback is for missing data only."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / name).write_bytes(content)
    line = refused_here("run", RAYSWEEP_DATA=str(tmp_path))
    assert str(raw / name) in line
    assert says in line


def whole_data_set(root: Path, train: int) -> None:
    """Write blank pictures to MNIST's files, which pass all checks before training."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", 10)):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images(count, count * 784))
        labels = struct.pack(">II", 0x0801, count) + bytes(count)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def test_more_training_pictures_than_there_are(
    refused_here: Callable[..., str], tmp_path: Path
) -> None:
    whole_data_set(tmp_path, train=100)
    line = refused_here("run", "--set", "data.train_size=100", RAYSWEEP_DATA=str(tmp_path))
    assert "data.train_size: 100, but MNIST has 100 pictures" in line
    assert "at most 99" in line


def test_more_gpus_a_trial_than_there_are(tmp_path: Path) -> None:
    line = refused(tmp_path, "run", "--set", "resources.gpus=5000")
    assert "resources.gpus: a trial needs 5000, and this machine has " in line


def test_a_plan_of_more_cpus_than_there_are(tmp_path: Path) -> None:
    """Unless the sweep is to join a cluster, which is not asked."""
    more = ("--set", "resources.cpus=50000")
    line = refused(tmp_path, "plan", *more)
    assert "resources.cpus: a trial needs 50000, and this machine has " in line
    assert call("plan", *more, "--address", "auto", cwd=tmp_path).returncode == 0


def test_missing_data_without_a_fallback(tmp_path: Path) -> None:
    line = refused(tmp_path, "run", "--set", "data.fallback=null", "--set", "data.root=/proc/none")
    assert "/proc/none" in line
    assert "train-images-idx3-ubyte" in line


@pytest.mark.parametrize(
    "command", [["best"], ["best", "mine"], ["lineage", "trained-model:best"], ["dashboard"]]
)
def test_a_storage_without_sweeps(refused_here: Callable[..., str], command: list[str]) -> None:
    assert "start one with `python -m raysweep run" in refused_here(*command)


def test_no_sweeps_are_no_mistake(tmp_path: Path) -> None:
    done = call("list", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == f"no sweep in {tmp_path / 'runs'}: `python -m raysweep run` starts one\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            "{method: random, run_cap: 9, parameters: {momentum: {distribution: normal, mu: 9}}}",
            "sweep.parameters.momentum",
        ),
        (
            "{method: grid, parameters: {batch_size: {min: 1, max: 2000000}}}",
            "sweep.parameters: the grid has 2,000,000 combinations, at most 1,000,000 can run",
        ),
    ],
)
def test_a_space_that_cannot_run_is_refused_before_ray_starts(
    refused_here: Callable[..., str], monkeypatch: pytest.MonkeyPatch, keys: str, says: str
) -> None:
    monkeypatch.setattr("ray.init", None)
    assert says in refused_here("run", "--set", f"sweep={keys}")
