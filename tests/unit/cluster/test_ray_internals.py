"""If a private name of Ray or Tune is missing, its user falls back, and warns if that matters."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray import _raylet
from ray._private import ray_constants, services, worker
from ray.tune.experiment import Trial

from raysweep.cluster import joining, nodes, tune_internals
from raysweep.cluster.faststart import probe, ray_internals


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Probe Ray anew, as its names are changed: by default a process probes once."""
    probe.probe.cache_clear()
    yield
    probe.probe.cache_clear()


IMPORT = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.endswith((".http_token_authentication", "ray.autoscaler.v2.sdk")):
            raise ImportError(name)

import ray
from ray._private import ray_constants, services, worker
import ray.tune.execution.class_cache
sys.meta_path.insert(0, Gone())
for module, name in (
    (ray_constants, "DEBUG_AUTOSCALING_STATUS"),
    (ray_constants, "ENABLE_RAY_CLUSTER"),
    (services, "canonicalize_bootstrap_address_or_die"),
    (worker, "connect"),
    (ray.tune.execution.class_cache, "_ActorClassCache"),
):
    delattr(module, name)

import raysweep.cluster.autoscaler, raysweep.cluster.cluster, raysweep.cluster.joining
import raysweep.cluster.tune_internals, raysweep.submission.job_server, raysweep.sweep.resume
from raysweep.cluster.faststart.probe import probe
print(*sorted(probe().missing))
"""


def test_every_module_can_be_imported_if_names_are_missing() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "autoscaler-status",
        "bootstrap-address",
        "driver-join",
        "http-token",
        "loopback",
        "tune-workers",
    ]


SECOND_CTRL_C = """
import subprocess, sys, time
import ray
from ray._private import worker
from raysweep.cluster.signals import end_at_once

subprocess.Popen(["sleep", "100"])  # has the same stdout
print("begun", flush=True)
worker._global_node = object()  # has no all_processes
end_at_once()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_second_ctrl_c_ends_the_process_and_its_children() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SECOND_CTRL_C], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == "begun\n", "and nobody holds it open any more"


def test_a_process_of_ray_that_has_ended_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(["sleep", "100"])
    node = SimpleNamespace(all_processes={"raylet": [SimpleNamespace(process=process)]})
    monkeypatch.setattr(worker, "_global_node", None)
    assert not ray_internals.has_lost_one()
    monkeypatch.setattr(worker, "_global_node", node)
    assert not ray_internals.has_lost_one()
    process.kill()
    process.wait()
    assert ray_internals.has_lost_one()
    del node.all_processes
    assert not ray_internals.has_lost_one(), "where Ray keeps no list, nobody knows"


def test_open_ports_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ray_internals.open_ports() is None
    probe.probe.cache_clear()
    monkeypatch.delattr(ray_constants, "ENABLE_RAY_CLUSTER")
    with ray_internals.on_loopback():
        said = ray_internals.open_ports()
    assert said is not None and "its ports are open" in said and "\n" not in said


def test_ray_starts_if_signals_cannot_be_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = []

    @contextmanager
    def guard() -> Iterator[None]:
        guarded.append(True)
        yield

    monkeypatch.setattr(worker, "connect", lambda: 4)
    with ray_internals.while_joining(guard):
        assert worker.connect() == 4
    assert guarded == [True]
    monkeypatch.delattr(worker, "connect")
    with ray_internals.while_joining(guard):
        assert not hasattr(worker, "connect")


@pytest.mark.parametrize(
    ("address", "known"),
    [("10.0.0.1:6379", "10.0.0.1:6379"), ("[::1]:6379", "[::1]:6379"), ("auto", None)],
)
def test_an_address_is_used_as_it_is_if_ray_cannot_resolve_it(
    address: str, known: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(services, "canonicalize_bootstrap_address_or_die")
    assert ray_internals.bootstrap_address(address) == known
    if known is None:
        with joining.checked(address):  # Ray's driver finds out
            pass


def test_ray_itself_checks_the_cluster_if_there_is_no_client(tmp_path: Path) -> None:
    gone = "from ray import _raylet; del _raylet.GcsClient; del _raylet.AuthenticationTokenLoader\n"
    done = subprocess.run([sys.executable, "-c", gone + ray_internals.ASK, "10.0.0.1:1", *sys.path])
    assert done.returncode == 0


def test_a_token_is_found_in_the_documented_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(_raylet, "AuthenticationTokenLoader")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not joining.has_token()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("abc\n")
    assert joining.has_token()


def test_a_ray_that_cannot_reload_its_settings_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(_raylet, "Config")
    ray_internals.read_settings_again()


def test_an_autoscaler_without_a_report_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ray_constants, "DEBUG_AUTOSCALING_STATUS")
    monkeypatch.setitem(sys.modules, "ray.autoscaler.v2.sdk", None)
    assert ray_internals.autoscaler_status() is None


def test_a_context_without_a_worker_is_no_local_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace())
    assert not nodes.in_one_process()


def test_a_dead_worker_is_counted_if_tune_keeps_no_error(tmp_path: Path) -> None:
    assert tune_internals.error_of(SimpleNamespace()) is None
    elsewhere = SimpleNamespace(pickled_error_file=str(tmp_path / "error.pkl"))
    assert tune_internals.error_of(elsewhere) is None


def test_resume_makes_trials_if_tune_has_no_stub(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trial.__init__

    def init(self: Any, trainable_name: str, *, trial_id: str | None = None) -> None:
        real(self, trainable_name, trial_id=trial_id)

    monkeypatch.setattr(Trial, "__init__", init)
    with pytest.raises(TypeError):
        Trial("replayed", stub=True)
    assert tune_internals.stub_trial("trial-0003").trial_id == "trial-0003"
