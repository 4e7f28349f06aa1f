"""Write constraints.txt: the full closure of raysweep[cluster,test] for each supported Python.

Each interpreter's own pip resolves the requirements (it installs nothing, about 30 s each). Pins
that differ between Pythons get environment markers.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")  # the Pythons for which the HELD packages have wheels

# Packages held below the newest version that pyproject.toml allows, and why.
HELD = (
    "ray==2.54.1",  # the last release with ray.init(local_mode=True)
    # The last pair for Python 3.10 (CUDA 13.0), so that all Pythons train the same weights.
    "torch==2.14.1",
    "torchvision==0.29.1",
)

WHAT = "raysweep[cluster,test]"

HEADER = f"""\
# Every version that {WHAT} installs, on Python {PYTHONS[0]} to {PYTHONS[-1]} and Linux.
# Written by scripts/lock; do not edit by hand.
"""


def resolve(python: str) -> dict[str, str]:
    """Map the normalised name of each package that pip would install for `WHAT` to its version."""
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--dry-run", "--ignore-installed", "--report", "-", *HELD, ".[cluster,test]"]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    # An older pip prints its warnings to stdout, before the report.
    report = json.loads(answer.stdout[answer.stdout.index("{\n") :])
    found = [item["metadata"] for item in report["install"]]
    pins = {re.sub(r"[-_.]+", "-", meta["name"]).lower(): meta["version"] for meta in found}
    del pins["raysweep"]
    for name, version in pins.items():
        # torch 2.13.0+cpu from one registry has no torchvision of the same build in another.
        if "+" in version:
            sys.exit(f"lock: {name}=={version} is a local build, which other registries lack")
    return pins


def constraint_lines(name: str, versions: Mapping[str, str]) -> list[str]:
    """List the pins of one package; `versions` maps each Python of PYTHONS to a version.

    One version needs no marker. The first and the last group are open-ended.
    """
    if len(set(versions.values())) == 1:
        return [f"{name}=={next(iter(versions.values()))}"]
    lines = []
    for version, group in groupby(versions, key=versions.__getitem__):
        pythons = list(group)
        bounds = []
        if pythons[0] != PYTHONS[0]:
            bounds.append(f"python_version >= '{pythons[0]}'")
        if pythons[-1] != PYTHONS[-1]:
            after = PYTHONS[PYTHONS.index(pythons[-1]) + 1]
            bounds.append(f"python_version < '{after}'")
        lines.append(f"{name}=={version} ; {' and '.join(bounds)}")
    return lines


def python_version(python: str) -> str:
    """Return an interpreter's version, `3.11`."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def main(interpreters: Sequence[str]) -> None:
    names = interpreters or [f"python{version}" for version in PYTHONS]
    by_version = {python_version(python): python for python in names}
    if set(by_version) != set(PYTHONS):
        sys.exit(f"lock: got Python {', '.join(by_version)}; name one of each of {PYTHONS}")
    resolved = {version: resolve(by_version[version]) for version in PYTHONS}
    lines: list[str] = []
    for name in sorted(set().union(*resolved.values())):
        pins = {version: resolved[version].get(name) for version in PYTHONS}
        lines += constraint_lines(name, {v: pin for v, pin in pins.items() if pin is not None})
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
