"""A Ray cluster of a test's own whose machines come when something waits for them: real raylets, on
this machine, that Ray's own autoscaler starts with its provider for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from ray._private.services import get_node_ip_address

import family

HEAD_TYPE = "ray.head.default"
"""As the provider calls it."""

EMPTY: dict[str, Any] = {
    **{name: {} for name in ("docker", "auth", "file_mounts")},
    **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
    **{f"{who}start_ray_commands": [] for who in ("head_", "worker_")},
    **{f"{who}setup_commands": [] for who in ("", "head_", "worker_")},
    "initialization_commands": [],
    "file_mounts_sync_continuously": False,
}


@contextmanager
def autoscaling_cluster(
    log: Path, types: Mapping[str, Mapping[str, float]], each: int = 2, head_cpus: int = 0
) -> Iterator[str]:
    """Its `HOST:PORT`. Of each of the `types` there may be `each` machines besides the head, and at
    first there is none. All of its processes are ended afterwards.
    """
    host = get_node_ip_address()
    with socket.create_server((host, 0)) as free:
        address = f"{host}:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temp:
        config = Path(temp, "cluster.yaml")
        config.write_text(yaml.safe_dump(_config(address, types, each, head_cpus)))
        options = [
            *(f"--num-cpus={head_cpus}", f"--port={address.rpartition(':')[2]}"),
            *(f"--autoscaling-config={config}", f"--temp-dir={temp}"),
            *("--include-dashboard=false", "--include-log-monitor=false"),
        ]
        env = {**os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        with log.open("w") as out:
            head = subprocess.Popen([*command, *options], stdout=out, stderr=out, env=env)
        try:
            _wait_for_start(head, log)
            yield address
        finally:
            started = family.family(head.pid)  # of the autoscaler in it come the other raylets
            head.terminate()
            head.wait(30)
            for process in started:
                if process.alive:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)


def _config(
    address: str, types: Mapping[str, Mapping[str, float]], each: int, head_cpus: int
) -> Mapping[str, Any]:
    small = {"object_store_memory": 100_000_000}
    node = {"node_config": {}, "min_workers": 0}
    return {
        **EMPTY,
        "cluster_name": "test",
        "max_workers": each * len(types),
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 5,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "launch_multiple": True,
            "use_node_id_as_ip": True,  # all have one address
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "head_node_type": HEAD_TYPE,
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": head_cpus}, "node_config": {}, "max_workers": 0},
            **{
                name: {**node, "resources": {**resources, **small}, "max_workers": each}
                for name, resources in types.items()
            },
        },
    }


def _wait_for_start(head: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while "Ray runtime started" not in log.read_text():
        assert head.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
