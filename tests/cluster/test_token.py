"""A cluster that requires a token is joined with the local one; without one, a line explains it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest
import yaml

from commands import call, environment, raysweep
from ray_head import NO_JOBS, job_server, python_with_jobs, ray_head
from sweeps import digits, grid

TOKEN = "0123456789abcdef" * 2
ANOTHER = "fedcba9876543210" * 2

REFUSED = (
    "raysweep: --address {address}: the cluster requires a token, {why}; put the right one (on its "
    "head: `ray get-auth-token`) in ~/.ray/auth_token, in RAY_AUTH_TOKEN, or in a file that "
    "RAY_AUTH_TOKEN_PATH names\n"
)
NONE = "but there is none here"


@pytest.fixture(autouse=True)
def none_of_the_developers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home with a token, as `ray start` does."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".ray").mkdir()
    (folder / ".ray" / "auth_token").write_text(TOKEN)
    return folder


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[str]:
    with ray_head(home / "head.log", RAY_AUTH_MODE="token", HOME=str(home)) as address:
        yield address


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]), train={"epochs": 1})))
    return path


def test_the_local_token_is_sent(cluster: str, home: Path, config: Path, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    arguments = ("run", config, "--address", cluster, "--storage", storage, "--json")
    result = raysweep(*arguments, HOME=str(home))
    assert result["trials"]["completed"] == 1
    assert raysweep(*arguments, RAY_AUTH_TOKEN=TOKEN)["trials"]["completed"] == 1


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({}, NONE),
        ({"RAY_AUTH_MODE": "token"}, NONE),
        ({"RAY_AUTH_TOKEN": ANOTHER}, "but the one here is not valid"),
    ],
)
def test_without_it_one_line_says_what_is_missing(
    cluster: str, config: Path, tmp_path: Path, env: dict[str, str], why: str
) -> None:
    storage = tmp_path / "runs"
    done = call("run", config, "--address", cluster, "--storage", storage, **env)
    assert (done.returncode, done.stderr) == (2, REFUSED.format(address=cluster, why=why))
    assert not storage.exists()


def test_a_mode_that_the_user_has_set_is_kept_and_named(
    cluster: str, home: Path, config: Path
) -> None:
    env = {"RAY_AUTH_MODE": "disabled", "HOME": str(home)}
    done = call("run", config, "--address", cluster, **env)
    assert done.returncode == 2
    assert done.stderr.endswith("and RAY_AUTH_MODE=disabled is set here; unset it\n")


def test_a_token_file_that_is_missing_is_one_line(cluster: str, config: Path) -> None:
    done = call("run", config, "--address", cluster, RAY_AUTH_TOKEN_PATH="/none")
    assert done.returncode == 2
    assert "RAY_AUTH_TOKEN_PATH is set but file cannot be opened or is empty: /none" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_job_server_is_sent_the_token_too(home: Path, config: Path) -> None:
    python = python_with_jobs()
    if python is None:
        pytest.skip(NO_JOBS)
    with job_server(home / "jobs.log", python, home, RAY_AUTH_MODE="token") as (address, _):
        submit = [python, "-m", "raysweep", "submit", config, "--address", address]
        command = [str(part) for part in submit]
        without = run(command, capture_output=True, text=True, env=environment(), check=False)
        assert without.returncode == 2
        assert without.stderr == REFUSED.format(address=address, why=NONE)
        env = environment(HOME=str(home))
        done = run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 trial: 1 completed" in done.stderr
