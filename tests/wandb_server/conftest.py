"""The server under its own tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from wandb_server import WandbServer, end, lent
from wandb_server.raw import Raw


@pytest.fixture(scope="package", autouse=True)
def _end_server() -> Iterator[None]:
    yield
    end()


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """The server, lent to this test."""
    with lent() as lent_server:
        yield lent_server


@pytest.fixture
def project() -> str:
    """A project of the test's own."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def raw(server: WandbServer, project: str) -> Raw:
    """A run, started by hand."""
    raw = Raw(server, project)
    raw.start()
    return raw
