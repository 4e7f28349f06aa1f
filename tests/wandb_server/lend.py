"""One server for all tests of a session, lent to one test at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import wandb
from wandb.sdk import wandb_setup

from wandb_server.server import WandbServer, let_pass


@contextmanager
def lent() -> Iterator[WandbServer]:
    """The server, with the environment of this process (and its children) set for the client.

    Fails the test if the client sent what the server does not know, or if an injected fault never
    came up. Each test takes a project, or names, of its own.
    """
    server = _shared()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        for name, value in server.environ().items():
            patch.setenv(name, value)
        try:
            yield server
        finally:
            left = server.faults.take_left()
            server.intercept = let_pass
            # A run left open keeps threads that outlive the client's process, and then raise.
            wandb_setup.singleton().finish_all_active_runs()
            violations = server.take_violations()
            server.requests.clear()
    assert not violations, "the client sent what the server does not know: " + "; ".join(violations)
    assert not left, f"faults injected and never met: {', '.join(left)}"


def end() -> None:
    """Stop the server and the client's own process, if they were ever started."""
    if _shared.cache_info().currsize:
        wandb.teardown()
        server = _shared()
        server.stop()
        shutil.rmtree(server.folder)
        _shared.cache_clear()


@cache
def _shared() -> WandbServer:
    """Starting the client's process takes 0.4 s, and it keeps the settings it began with."""
    wandb.teardown()
    server = WandbServer(Path(tempfile.mkdtemp(prefix="wandb-server-")))
    server.start()
    return server
