"""Check each private name and signature of Ray and Tune that raysweep uses."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

PatchName = Literal["head-processes", "agents", "raylet-lookup", "worker-copies", "tune-workers"]
PATCHES: tuple[PatchName, ...] = get_args(PatchName)
"""The patches with which a Ray that is started here starts faster."""

InternalName = Literal[
    "autoscaler-status",
    "bootstrap-address",
    "driver-join",
    "gcs-client",
    "http-token",
    "local-mode",
    "loopback",
    "ray-client",
    "settings-reload",
    "started-processes",
    "token-loader",
    "tune-error",
    "tune-stub",
    "tune-trials",
    "uv-switch",
]
INTERNALS: tuple[InternalName, ...] = get_args(InternalName)
"""Private parts used for other purposes, in `ray_internals` and `tune_internals`."""

PORTS = {
    "dashboard_agent_listen_port",
    "gcs_server_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
}
"""The ports that Ray's processes publish in files. `ray_agent` writes all but the GCS server's, so
a Ray that waits for another one would wait forever."""

LOG_MONITOR = "start_log_monitor"

HEAD_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "start_api_server": ("self", "include_dashboard", "raise_on_failure"),
    "start_monitor": ("self",),
    LOG_MONITOR: ("self",),
}
"""The methods of Ray's `Node`, and their parameters, that start the dashboard's server, the
autoscaler, and the process that copies workers' logs to the driver's terminal."""

TUNE_CONTROLLER = (
    "_actor_cache",
    "_actor_manager",
    "_class_cache",
    "_resetting_trials",
    "_resources_to_pending_trials",
    "_search_alg",
    "_started_actors",
    "_trial_to_actor",
)
"""The attributes of Tune's controller that `cluster.tune_internals` uses."""


class Missing(Exception):
    """This Ray does not have what a patch needs."""


def _head_processes() -> None:
    node = _module("ray._private.node").Node
    for name, parameters in HEAD_PROCESSES.items():
        _takes(getattr(node, name), *parameters)


def _agents() -> None:
    _on_linux()
    services = _module("ray._private.services")
    _takes(services._build_python_executable_command_memory_profileable, "component", "session_dir")
    constants = _module("ray._private.ray_constants")
    _text(constants.PROCESS_TYPE_DASHBOARD_AGENT)
    _text(constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)
    names = vars(_module("ray._raylet")).items()
    ports = {value for key, value in names if key.endswith("_PORT_NAME")}
    if ports != PORTS:
        raise Missing(f"Ray's processes also publish {', '.join(sorted(ports ^ PORTS))}")


def _raylet_lookup() -> None:
    state = _module("ray._private.state").GlobalState
    _takes(state.get_node, "self", "node_id")
    _takes(state.node_table, "self")


def _worker_copies() -> None:
    _on_linux()
    _takes(_module("ray._private.node").Node.start_raylet, "self")
    _takes(_module("ray._private.parameter").RayParams.__init__, "self", "worker_path")
    if not worker_script().is_file():
        raise Missing(f"Ray has no {worker_script().name}")
    actor_class_id = _module("ray.actor").ActorClassID
    _text(actor_class_id.from_random.__name__)
    _has(_module("ray._raylet"), "setproctitle")
    _has(_module("ray").ObjectRef, "from_random")


def _tune_workers() -> None:
    controller = _module("ray.tune.execution.tune_controller").TuneController
    _takes(controller._maybe_reuse_cached_actor, "self", "trial")
    made = _attributes(controller.__init__)
    if missing := [name for name in TUNE_CONTROLLER if name not in made]:
        raise Missing(f"Tune's controller has no {', '.join(missing)}")
    cache = _module("ray.tune.execution.class_cache")._ActorClassCache
    _takes(cache.get, "self", "trainable_cls")


def _autoscaler_status() -> None:
    _text(_module("ray._private.ray_constants").DEBUG_AUTOSCALING_STATUS)
    _takes(_module("ray.experimental.internal_kv")._internal_kv_get, "key")
    _takes(_module("ray.autoscaler.v2.sdk").get_cluster_status, "gcs_address")
    _takes(_module("ray.autoscaler.v2.utils").is_autoscaler_v2)


def _bootstrap_address() -> None:
    _takes(_module("ray._private.services").canonicalize_bootstrap_address_or_die, "addr")


def _driver_join() -> None:
    _takes(_module("ray._private.worker").connect, "node")


def _gcs_client() -> None:
    _has(_module("ray._raylet"), "GcsClient")
    _has(_module("ray.exceptions"), "AuthenticationError")


def _http_token() -> None:
    module = _module("ray._private.authentication.http_token_authentication")
    _takes(module.get_auth_headers_if_auth_enabled, "user_headers")


def _local_mode() -> None:
    _takes(_module("ray.runtime_context").RuntimeContext.__init__, "worker")
    if "mode" not in _attributes(_module("ray._private.worker").Worker.__init__):
        raise Missing("Ray's worker has no mode")


def _loopback() -> None:
    constants, services = _module("ray._private.ray_constants"), _module("ray._private.services")
    _text(constants.ENABLE_RAY_CLUSTERS_ENV_VAR)
    if "ENABLE_RAY_CLUSTER" not in services.get_node_ip_address.__code__.co_names:
        raise Missing("Ray has no switch for the address of its ports")
    _has(constants, "ENABLE_RAY_CLUSTER")


def _ray_client() -> None:
    _has(_module("ray.util.client").ray, "is_connected")


def _settings_reload() -> None:
    _takes(_module("ray._raylet").Config.initialize, "config_list")


def _started_processes() -> None:
    _has(_module("ray._private.worker"), "_global_node")
    if "all_processes" not in _attributes(_module("ray._private.node").Node.__init__):
        raise Missing("Ray's node has no all_processes")


def _token_loader() -> None:
    loader = _module("ray._raylet").AuthenticationTokenLoader
    _has(loader, "instance")
    _takes(loader.has_token, "ignore_auth_mode")


def _tune_error() -> None:
    _has(_module("ray.tune.experiment").Trial, "pickled_error_file")


def _tune_stub() -> None:
    _takes(_module("ray.tune.experiment").Trial.__init__, "trial_id", "stub")


def _tune_trials() -> None:
    controller = _module("ray.tune.execution.tune_controller").TuneController
    if "_trials" not in _attributes(controller.__init__):
        raise Missing("Tune's controller has no _trials")
    if "trials=self._trials)" not in "".join(inspect.getsource(controller.step).split()):
        raise Missing("Tune hands its callbacks another list than its own")
    _has(_module("ray.tune.experiment").Trial, "is_finished")


def _uv_switch() -> None:
    _has(_module("ray._private.ray_constants"), "RAY_ENABLE_UV_RUN_RUNTIME_ENV")


CHECKS: Mapping[PatchName | InternalName, Callable[[], None]] = {
    "head-processes": _head_processes,
    "agents": _agents,
    "raylet-lookup": _raylet_lookup,
    "worker-copies": _worker_copies,
    "tune-workers": _tune_workers,
    "autoscaler-status": _autoscaler_status,
    "bootstrap-address": _bootstrap_address,
    "driver-join": _driver_join,
    "gcs-client": _gcs_client,
    "http-token": _http_token,
    "local-mode": _local_mode,
    "loopback": _loopback,
    "ray-client": _ray_client,
    "settings-reload": _settings_reload,
    "started-processes": _started_processes,
    "token-loader": _token_loader,
    "tune-error": _tune_error,
    "tune-stub": _tune_stub,
    "tune-trials": _tune_trials,
    "uv-switch": _uv_switch,
}


def worker_script() -> Path:
    """Return the script with which Ray starts a worker process."""
    import ray

    return Path(ray.__file__).with_name("_private") / "workers" / "default_worker.py"


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _takes(function: Callable[..., Any], *parameters: str) -> None:
    """Raise Missing if the function does not have these parameters."""
    known = inspect.signature(function).parameters
    if missing := [name for name in parameters if name not in known]:
        raise Missing(f"{function.__qualname__} has no parameter {', '.join(missing)}")


def _has(owner: Any, *names: str) -> None:
    """Raise AttributeError if `owner` does not have these attributes."""
    for name in names:
        getattr(owner, name)


def _text(value: object) -> None:
    if not isinstance(value, str):
        raise Missing(f"expected text, got {value!r}")


def _on_linux() -> None:
    if sys.platform != "linux":
        raise Missing(f"it needs Linux, and this is {sys.platform}")


def _attributes(init: Callable[..., Any]) -> set[str]:
    """List the attributes that a constructor and those of its base classes set or read."""
    owner = sys.modules[init.__module__]
    cls = getattr(owner, init.__qualname__.split(".")[0])
    return {
        name
        for base in cls.__mro__
        if "__init__" in vars(base) and hasattr(base.__init__, "__code__")
        for name in base.__init__.__code__.co_names
    }
