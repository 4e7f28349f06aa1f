"""Whole sweeps in W&B: the command, the unmodified client, and the server of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml

from wandb_server import WandbServer, end, lent


@pytest.fixture(scope="package", autouse=True)
def _end_server() -> Iterator[None]:
    yield
    end()


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """The server, lent to the test; the client's environment is set, for children too."""
    with lent() as server:
        yield server


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Path]:
    """Write a config to a file of its own."""

    def write_config(config: dict[str, Any]) -> Path:
        path = tmp_path_factory.mktemp("config") / "sweep.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write_config


@pytest.fixture
def api(server: WandbServer) -> wandb.Api:
    """A user's view of it, without what was read before."""
    api = wandb.Api()
    api.flush()
    return api
