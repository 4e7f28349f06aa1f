"""What is sent with a submitted sweep, and where it is stored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from raysweep.config import Config, load_config
from raysweep.errors import UserError
from raysweep.submission import shipment
from raysweep.submission.submission import entry_point, key_stays


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ("./runs", "~/raysweep/runs"),
        ("/mnt/sweeps", "/mnt/sweeps"),
        ("~/mine", "~/mine"),
        ("s3://bucket/sweeps", "s3://bucket/sweeps"),
    ],
)
def test_storage_is_a_place_of_the_cluster(given: str, there: str) -> None:
    assert shipment.storage_there(Config.from_dict({"storage": given})) == there


@pytest.mark.parametrize("given", ["runs", "../x", "~other/x", "s3:/bucket"])
def test_a_storage_that_is_invalid_on_the_cluster_is_refused(given: str) -> None:
    with pytest.raises(UserError, match=r"^--storage .+ relative, .+ or leave it out for ~/rays"):
        shipment.storage_there(Config.from_dict({"storage": given}))


def test_a_data_folder_that_is_invalid_on_the_cluster_is_refused() -> None:
    shipment.check_data(Config())
    shipment.check_data(Config.from_dict({"data": {"root": "/mnt/data"}}))
    with pytest.raises(UserError, match=r"^data\.root: data is relative"):
        shipment.check_data(Config.from_dict({"data": {"root": "data"}}))


def test_the_resolved_config_is_sent(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("method: grid\nparameters: {learning_rate: {values: [1e-3]}}")
    config = load_config(None, ["train.epochs=7"], sweep)
    folder = tmp_path / "folder"
    folder.mkdir()
    shipment.pack(config, "/mnt/sweeps", folder)
    arrived = load_config(folder / "config.yaml")
    assert arrived == config.model_copy(update={"storage": "/mnt/sweeps"})


def test_more_than_ray_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipment, "MAX_BYTES", 100_000)
    with pytest.raises(UserError, match=r"raysweep: \d MB, but Ray takes at most 0 MB"):
        shipment.pack(Config(), "/mnt/sweeps", tmp_path)


def test_only_wandbs_variables_are_sent() -> None:
    environ = {
        "WANDB_API_KEY": "k" * 40,
        "WANDB_PROJECT": "p",
        "WANDB_DIR": "/home/me",
        "WANDB_TAGS": "",
        "RAYSWEEP_DATA": "/home/me/data",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    sent = shipment.environment(environ)
    assert sent.keys() == {"WANDB_API_KEY", "WANDB_PROJECT", "RAY_JOB_STOP_WAIT_TIME_S"}


def test_a_key_that_is_not_sent_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text(f"machine api.wandb.ai login user password {'k' * 40}\n")
    logged_in = {"NETRC": str(file)}
    (told,) = key_stays(Config(), logged_in)
    assert told.startswith("no W&B key is sent, since `wandb login` keeps it")
    assert "kkk" not in told
    assert key_stays(Config(), logged_in | {"WANDB_API_KEY": "k" * 40}) == []
    assert key_stays(Config.from_dict({"tracking": {"backend": "trackio"}}), logged_in) == []
    assert key_stays(Config(), {"NETRC": "/dev/null"}) == []


def run_entry_point(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run the job's shell command, with a `python` that prints its arguments."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    command = entry_point("it", ["one", "two"], ["--fail-fast"])
    env = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": "/home/ray"}
    return subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True)


def test_the_job_prints_its_result_last_and_ends_with_its_exit_code(tmp_path: Path) -> None:
    result = r'{"a": "%s \n"}'
    script = f"""echo "$RAYSWEEP_DATA $@" >&2; printf "%s\\n" '{result}'"""
    done = run_entry_point(tmp_path, f"{script}; exit 3")
    assert done.returncode == 3
    assert done.stderr == (
        "/home/ray/raysweep/data -m raysweep run config.yaml --address auto --json --name it "
        "--fail-fast --warm-start one two\n"
    )
    assert done.stdout == f"raysweep-started\n\nraysweep-result: {result}\n"


def test_a_job_without_a_result_prints_none(tmp_path: Path) -> None:
    done = run_entry_point(tmp_path, "exit 1")
    assert (done.returncode, done.stdout) == (1, "raysweep-started\n")
