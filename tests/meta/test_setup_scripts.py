"""scripts/run and scripts/test on a fresh machine: what they install, when, and what they print.

The scripts, venv and pip are the real ones. Only the project is small: a package and a build
backend that need no registry, in a folder with spaces and quotes in its name; one installation
takes about 4 s instead of minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "raysweep"
version = "0.1.0"
optional-dependencies = { test = [] }
"""

# PEP 660 by hand. With a file `slow` beside it, it says that it has begun and never ends.
BACKEND = """\
import pathlib, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    slow = pathlib.Path("slow")
    if slow.exists():
        slow.write_text("begun")
        time.sleep(600)
    info = "raysweep-0.1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "raysweep-0.1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("raysweep.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: raysweep\\n"
                       "Version: 0.1.0\\nProvides-Extra: test\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: backend\\n"
                       "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt",
                       "[console_scripts]\\nlint-imports = lint_imports:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "raysweep-0.1.0-py3-none-any.whl"
"""

TOOL = """\
import sys
def main():
    print({name!r}, *sys.argv[1:])
    sys.exit({status})
if __name__ == "__main__":
    main()
"""

MAIN = """\
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "file": __file__}))
"""


def make_checkout(folder: Path) -> Path:
    """A small project around the real scripts; nothing is installed yet."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "constraints.txt").write_text("")
    (folder / "backend.py").write_text(BACKEND)
    (folder / "raysweep").mkdir()
    (folder / "raysweep" / "__main__.py").write_text(MAIN)
    for name in ("ruff", "mypy", "lint_imports", "pytest"):
        (folder / f"{name}.py").write_text(TOOL.format(name=name, status=0))
    return folder


def environment(**changes: str) -> dict[str, str]:
    return os.environ | {"PYTHON": sys.executable, "PIP_NO_INDEX": "1"} | changes


def call(script: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Call a script from another folder than its checkout."""
    return subprocess.run(
        [str(script), *arguments],
        cwd="/",
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def first_call(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    checkout = make_checkout(tmp_path_factory.mktemp('it\'s a "check out"') / "raysweep")
    return checkout, call(checkout / "scripts" / "run", "--set", 'name=a "b" c', "--json")


@pytest.fixture
def checkout(first_call: tuple[Path, subprocess.CompletedProcess[str]]) -> Iterator[Path]:
    """The installed checkout; what a test wrote into its set-up files is undone."""
    folder, _ = first_call
    yield folder
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "constraints.txt").write_text("")
    (folder / "slow").unlink(missing_ok=True)


def test_first_call_installs_and_passes_its_arguments_on(
    first_call: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, answer = first_call
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert "installing into" in answer.stderr
    said = json.loads(answer.stdout)  # nothing but the program's output
    assert said["argv"] == ["run", "--set", 'name=a "b" c', "--json"]
    assert said["cwd"] == "/"
    assert said["file"] == str(folder / "raysweep" / "__main__.py")


def test_second_call_starts_at_once(checkout: Path) -> None:
    call(checkout / "scripts" / "run")
    log = checkout / ".venv" / "install.log"
    installed_at = log.stat().st_mtime_ns
    answer = call(checkout / "scripts" / "run", PATH="/usr/bin:/bin", PYTHON="/nowhere/python")
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert log.stat().st_mtime_ns == installed_at


def test_changed_pins_are_installed_once(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("numpy==2.4.6\n")
    assert "installing into" in call(checkout / "scripts" / "run").stderr
    assert call(checkout / "scripts" / "run").stderr == ""


def test_failed_installation_says_why_and_is_tried_again(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("numpy=2\n")
    for _ in range(2):
        answer = call(checkout / "scripts" / "run")
        assert answer.returncode == 1
        assert answer.stdout == ""
        assert "numpy=2" in answer.stderr
        assert "the installation failed" in answer.stderr.splitlines()[-1]
    (checkout / "constraints.txt").write_text("")
    assert call(checkout / "scripts" / "run").returncode == 0


def test_killed_installation_is_tried_again(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("# interrupted\n")
    slow = checkout / "slow"
    slow.write_text("")
    script = [str(checkout / "scripts" / "run")]
    with subprocess.Popen(
        script, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while not slow.read_text():
            assert process.poll() is None, "ended before the build began"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    slow.unlink()
    answer = call(checkout / "scripts" / "run")
    assert answer.returncode == 0, answer.stderr
    assert "installing into" in answer.stderr


def test_two_calls_at_once_install_once(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "raysweep")
    calls = [
        subprocess.Popen(
            [str(folder / "scripts" / "run"), str(number)],
            cwd="/",
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    answers = [process.communicate() for process in calls]
    assert [process.returncode for process in calls] == [0, 0], answers
    assert [json.loads(out)["argv"] for out, _ in answers] == [["run", "0"], ["run", "1"]]
    assert sum(error.count("installing into") for _, error in answers) == 1


def test_moved_checkout_runs_its_own_code(tmp_path: Path, checkout: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(checkout, moved, symlinks=True)
    answer = call(moved / "scripts" / "run")
    assert json.loads(answer.stdout)["file"] == str(moved / "raysweep" / "__main__.py")


def test_test_runs_every_check_then_pytest(checkout: Path) -> None:
    answer = call(checkout / "scripts" / "test")
    assert answer.returncode == 0, answer.stderr
    *checks, tests, types = answer.stdout.splitlines()
    assert checks == ["ruff check", "ruff format --check", "lint_imports"]
    assert tests == "pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder"
    assert types == "mypy", "it ran beside the tests, and speaks last"


@pytest.fixture(scope="module")
def newest_ray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Ray that is newer than any, for pip to find."""
    folder = tmp_path_factory.mktemp("wheels")
    info = "ray-2.99.0.dist-info"
    with zipfile.ZipFile(folder / "ray-2.99.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("ray.py", "")
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: ray\nVersion: 2.99.0\nProvides-Extra: tune\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return folder


def test_where_no_newer_ray_can_be_installed_a_line_says_so(checkout: Path) -> None:
    answer = call(checkout / "scripts" / "test")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("raysweep: no test with the newest Ray")
    assert sum(line.startswith("pytest") for line in answer.stdout.splitlines()) == 1
    answer = call(checkout / "scripts" / "test", "--newest-ray")
    assert answer.returncode == 1 and answer.stdout == ""
    assert answer.stderr.splitlines()[-1].startswith("raysweep: the newest Ray cannot be installed")


def test_the_newest_ray_is_tested_in_a_place_of_its_own(checkout: Path, newest_ray: Path) -> None:
    answer = call(checkout / "scripts" / "test", PIP_FIND_LINKS=str(newest_ray))
    assert answer.returncode == 0, answer.stderr
    *_, everything, few, types = answer.stdout.splitlines()
    assert everything.startswith("pytest --numprocesses 2") and types == "mypy"
    assert few.startswith("pytest tests/cluster/test_probe.py")
    assert list((checkout / ".venv" / "newest-ray").glob("lib/python3*/site-packages/ray.py"))
    assert not list((checkout / ".venv" / "lib").glob("python3*/site-packages/ray.py"))
    answer = call(checkout / "scripts" / "test", "--newest-ray", "-k", "a or b")
    assert (answer.stdout, answer.stderr) == ("pytest -k a or b\n", ""), "nothing is installed anew"
    answer = call(checkout / "scripts" / "test", "--newest-ray")
    assert answer.stdout.startswith("pytest tests/cluster tests/unit/cluster")


def test_test_with_arguments_runs_pytest_alone(checkout: Path) -> None:
    answer = call(checkout / "scripts" / "test", "-k", "a or b")
    assert answer.stdout.splitlines() == ["pytest -k a or b"]


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
def test_a_check_that_fails_fails_it_all(checkout: Path, tool: str) -> None:
    (checkout / f"{tool}.py").write_text(TOOL.format(name=tool, status=1))
    answer = call(checkout / "scripts" / "test")
    (checkout / f"{tool}.py").write_text(TOOL.format(name=tool, status=0))
    assert answer.returncode == 1
    last = {"ruff": "ruff check"}.get(tool, "mypy")
    assert answer.stdout.splitlines()[-1] == last


def test_installation_for_the_tests_serves_the_run(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("# tests first\n")
    assert "installing into" in call(checkout / "scripts" / "test").stderr
    assert call(checkout / "scripts" / "run").stderr == ""


def test_no_python_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "raysweep")
    answer = call(folder / "scripts" / "run", PYTHON="/nowhere/python3")
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert "none of /nowhere/python3 is Python 3.10 to 3.13" in answer.stderr
    assert not (folder / ".venv").exists()


def test_an_unsuitable_python3_is_passed_over(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "raysweep")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, target in {"python3": "false", "dirname": "dirname", "bash": "bash"}.items():
        found = shutil.which(target)
        assert found is not None
        (programs / name).symlink_to(found)
    (programs / "python3.10").symlink_to(sys.executable)
    answer = subprocess.run(
        ["bash", "-c", 'source "$0"; find_python', str(folder / "scripts" / "lib" / "venv.sh")],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
    )
    assert answer.stdout == "python3.10\n", answer.stderr
