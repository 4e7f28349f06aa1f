"""Ray sends the user's own modules to a cluster's machines."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from raysweep.cluster import cluster, joining
from raysweep.errors import UserError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Record the options of `ray.init`, instead of starting or joining Ray."""
    asked: dict[str, Any] = {}
    started = SimpleNamespace(address_info={"session_dir": str(tmp_path / "session")})

    def init(**options: Any) -> SimpleNamespace:
        asked.update(options)
        return started

    monkeypatch.setattr(joining, "checked", lambda _address: nullcontext())
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    return asked


def test_own_modules_are_sent_to_a_cluster(asked: dict[str, Any], tmp_path: Path) -> None:
    modules = [tmp_path / "my_pkg", tmp_path / "nets.py"]
    with cluster.connect("127.0.0.1:1", local_mode=False, verbose=True, modules=modules):
        pass
    assert asked["runtime_env"] == {"py_modules": [str(path) for path in modules]}


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "auto"])
def test_ray_client_is_refused(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Tune ran on the cluster and reported nothing to the driver; the sweep ended as
    interrupted."""
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    says = r"--address ray://127\.0\.0\.1:10001: Ray Client .*raysweep submit.*HOST:PORT"
    with (
        pytest.raises(UserError, match=says),
        cluster.connect(address, local_mode=False, verbose=True),
    ):
        pass
    assert asked == {}


def test_workers_on_this_machine_need_nothing_sent(asked: dict[str, Any], tmp_path: Path) -> None:
    modules = [tmp_path / "my_pkg"]
    with cluster.connect(None, local_mode=False, verbose=True, modules=modules, fast_start=False):
        pass
    assert "py_modules" not in asked.get("runtime_env", {})
