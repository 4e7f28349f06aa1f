"""A bucket, and machines that know nothing but it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

import pytest

from s3_server import S3Server, free_port


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def machine(
    s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """The environment of a machine of that name: a home and a temporary folder of its own."""
    folder = tmp_path_factory.mktemp("machines")

    def of(name: str) -> dict[str, str]:
        for part in ("home", "tmp"):
            (folder / name / part).mkdir(parents=True, exist_ok=True)
        home, tmp = (str(folder / name / part) for part in ("home", "tmp"))
        # Ray's sockets want a path shorter than a test's.
        ray = {"RAY_TMPDIR": tempfile.gettempdir()}
        return {**s3.env, **ray, "HOME": home, "TMPDIR": tmp, "XDG_CACHE_HOME": f"{home}/.cache"}

    return of
