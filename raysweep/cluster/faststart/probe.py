"""Find out which patches of Ray's private parts can be used with the Ray that is installed.

They are used on the versions of Ray on which they were tested, and not where the user has switched
them off (`RAYSWEEP_FAST_START=0`, or `resources.fast_start: false`). Without them everything works,
only slower. On a tested version, too, each name and signature is checked before it is replaced.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

SWITCH = "RAYSWEEP_FAST_START"
"""The environment variable that switches every patch off: `0`, `false`, `no` or `off`."""

TESTED = ("2.54.1", "2.60.0")
"""The versions of Ray on which the whole suite has passed with the patches."""

PatchName = Literal["head-processes", "agents", "raylet-lookup", "worker-copies", "tune-workers"]

PORTS = {
    "dashboard_agent_listen_port",
    "gcs_server_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
}
"""The ports that Ray's processes write to files for each other. `ray_agent` writes all but the GCS
server's, so a Ray that waits for another one would wait for ever."""

HEAD_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "start_api_server": ("self", "include_dashboard", "raise_on_failure"),
    "start_monitor": ("self",),
    "start_log_monitor": ("self",),
}
"""The methods of Ray's `Node` that start its dashboard's server, the autoscaler, and the process
that copies workers' logs to the driver's terminal; and their parameters."""

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


@dataclass(frozen=True)
class Probe:
    """The patches that can be used, and why each of the others cannot."""

    applies: frozenset[PatchName]
    lacking: Mapping[PatchName, str]


def switched_off() -> bool:
    """Whether the environment switches the patches off."""
    return os.environ.get(SWITCH, "").strip().lower() in ("0", "false", "no", "off")


def untested() -> str | None:
    """The line that says that the patches are not used on this version of Ray, or None."""
    import ray

    if ray.__version__ in TESTED:
        return None
    return (
        f"Ray {ray.__version__} is not one that raysweep's fast start was tested on "
        f"({', '.join(TESTED)}), so Ray starts as it comes: a few seconds later"
    )


def usable() -> frozenset[PatchName]:
    """The patches to use: none where they are switched off, or this Ray is not a tested one."""
    return frozenset() if switched_off() or untested() else probe().applies


@cache
def probe() -> Probe:
    """Check every private name and signature that a patch needs, whatever the version of Ray."""
    lacking: dict[PatchName, str] = {}
    for name, check in _CHECKS.items():
        try:
            check()
        except (ImportError, AttributeError, TypeError, ValueError, Lacking) as error:
            lacking[name] = str(error)
    return Probe(frozenset(_CHECKS.keys() - lacking.keys()), lacking)


class Lacking(Exception):
    """This Ray has not what a patch needs."""


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
        raise Lacking(f"Ray's processes tell each other {', '.join(sorted(ports ^ PORTS))}, too")


def _raylet_lookup() -> None:
    state = _module("ray._private.state").GlobalState
    _takes(state.get_node, "self", "node_id")
    _takes(state.node_table, "self")


def _worker_copies() -> None:
    _on_linux()
    _takes(_module("ray._private.node").Node.start_raylet, "self")
    _takes(_module("ray._private.parameter").RayParams.__init__, "self", "worker_path")
    if not worker_script().is_file():
        raise Lacking(f"Ray has no {worker_script().name}")
    actor_class_id = _module("ray.actor").ActorClassID
    _text(actor_class_id.from_random.__name__)
    raylet = _module("ray._raylet")
    for owner, name in ((raylet, "setproctitle"), (_module("ray").ObjectRef, "from_random")):
        getattr(owner, name)


def _tune_workers() -> None:
    controller = _module("ray.tune.execution.tune_controller").TuneController
    _takes(controller._maybe_reuse_cached_actor, "self", "trial")
    made = _attributes(controller.__init__)
    if lacking := [name for name in TUNE_CONTROLLER if name not in made]:
        raise Lacking(f"Tune's controller has no {', '.join(lacking)}")
    cache = _module("ray.tune.execution.class_cache")._ActorClassCache
    _takes(cache.get, "self", "trainable_cls")


_CHECKS: Mapping[PatchName, Callable[[], None]] = {
    "head-processes": _head_processes,
    "agents": _agents,
    "raylet-lookup": _raylet_lookup,
    "worker-copies": _worker_copies,
    "tune-workers": _tune_workers,
}


def worker_script() -> Path:
    """The script that Ray starts a worker process with."""
    import ray

    return Path(ray.__file__).with_name("_private") / "workers" / "default_worker.py"


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _takes(function: Callable[..., Any], *parameters: str) -> None:
    """Raise Lacking where the function has no such parameters."""
    known = inspect.signature(function).parameters
    if lacking := [name for name in parameters if name not in known]:
        raise Lacking(f"{function.__qualname__} has no parameter {', '.join(lacking)}")


def _text(value: object) -> None:
    if not isinstance(value, str):
        raise Lacking(f"expected text, got {value!r}")


def _on_linux() -> None:
    if sys.platform != "linux":
        raise Lacking(f"it needs Linux, and this is {sys.platform}")


def _attributes(init: Callable[..., Any]) -> set[str]:
    """The names of the attributes that a constructor sets or reads, those of its bases included."""
    owner = sys.modules[init.__module__]
    cls = getattr(owner, init.__qualname__.split(".")[0])
    return {
        name
        for base in cls.__mro__
        if "__init__" in vars(base) and hasattr(base.__init__, "__code__")
        for name in base.__init__.__code__.co_names
    }
