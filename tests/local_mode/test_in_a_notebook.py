"""`run_sweep` and `load_result` in a real notebook's kernel, asked as Jupyter asks it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commands import environment
from sweeps import HAS_LOCAL_MODE, IMPOSSIBLE, digits, grid

pytest.importorskip("ipykernel", reason="ipykernel is not installed")

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

TIMEOUT_S = 200


@dataclass
class Kernel:
    """A kernel, and the client through which a notebook talks to it."""

    client: Any

    def run(self, cell: str) -> list[tuple[str, dict[str, Any]]]:
        """Run a cell; return what it sends for its output: the kind of each message, and what is
        in it."""
        found: list[tuple[str, dict[str, Any]]] = []

        def hook(message: dict[str, Any]) -> None:
            found.append((message["header"]["msg_type"], message["content"]))

        self.client.execute_interactive(cell, timeout=TIMEOUT_S, output_hook=hook)
        errors = [content for kind, content in found if kind == "error"]
        assert not errors, "\n".join(errors[0]["traceback"])
        return found

    def shown(self, cell: str) -> dict[str, str]:
        """Run a cell; return how its value is shown, by MIME type."""
        (result,) = [content for kind, content in self.run(cell) if kind == "execute_result"]
        data: dict[str, str] = result["data"]
        return data


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    from jupyter_client.manager import start_new_kernel

    folder = tmp_path_factory.mktemp("notebook")
    path = os.pathsep.join(sys.path)
    env = environment(PYTHONPATH=path, HOME=str(folder), IPYTHONDIR=str(folder / "ipython"))
    manager, client = start_new_kernel(env=env, cwd=str(folder))
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_sweep_in_a_notebook(kernel: Kernel, tmp_path: Path) -> None:
    config = digits(grid(learning_rate=[0.01, 0.001]))
    arguments = f"name='mine', storage={str(tmp_path)!r}"
    sent = kernel.run(
        f"import raysweep\nraysweep.run_sweep({config!r}, local_mode=True, {arguments})"
    )

    kinds = [kind for kind, _ in sent]
    (opened,) = [content for kind, content in sent if kind == "display_data"]
    updates = [content for kind, content in sent if kind == "update_display_data"]
    place = opened["transient"]["display_id"]
    assert {each["transient"]["display_id"] for each in updates} == {place}, "one table, redrawn"
    assert kinds.index("update_display_data") < kinds.index("execute_result")
    assert any("running" in each["data"]["text/plain"] for each in updates), "during the sweep"
    last = updates[-1]["data"]
    assert last["text/plain"].count("completed") == 2
    assert last["text/html"].startswith("<pre")
    printed = [content for kind, content in sent if kind == "stream"]
    assert not [each for each in printed if each["name"] == "stdout"], "nothing beside the table"

    (result,) = [content["data"] for kind, content in sent if kind == "execute_result"]
    assert result["text/plain"].startswith("SweepResult('mine': 2 trials (2 completed, ")
    assert result["text/html"].count("<tr") == 3

    loaded = kernel.shown(f"raysweep.load_result({arguments})")
    assert loaded == result


def test_a_sweep_that_failed_in_a_notebook(kernel: Kernel, tmp_path: Path) -> None:
    config = digits(grid(model__hidden_layer_sizes=[IMPOSSIBLE]))
    arguments = f"name='failed', storage={str(tmp_path)!r}"
    kernel.run(
        "import raysweep.errors\ntry:\n"
        f"    raysweep.run_sweep({config!r}, local_mode=True, {arguments})\n"
        "except raysweep.errors.SweepFailed:\n    pass"
    )
    loaded = kernel.shown(f"raysweep.load_result({arguments})")
    assert loaded["text/plain"].startswith("StoredResult('failed': stopped, 1 trial (0 completed")
    assert "no best" in loaded["text/plain"]
    assert "RuntimeError" in loaded["text/html"]
