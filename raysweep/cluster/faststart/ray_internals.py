"""Every private part of Ray that we lean on for something else than a fast start.

Ray has no public name for any of it. Each function imports what it needs when it is called, so that
importing raysweep works with any Ray, and says what happens where a name is gone. `probe` checks
the names and signatures.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from raysweep.cluster.faststart.probe import probe
from raysweep.cluster.faststart.replaced import replaced, setting

GONE = (ImportError, AttributeError)
"""What is raised where Ray has no such name."""

UV = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
"""Whether Ray, under `uv run`, uploads the working tree and starts each worker with uv again. Ray
reads it once, when it is imported, which in a notebook it may have been long before."""

AUTOSCALER_ADDRESS = "AutoscalerMetricsAddress"
"""The key that Ray's process that watches the cluster writes first."""

TOKEN_FILE = Path(".ray", "auth_token")
"""Where Ray looks for a token last, below the user's home."""

ASK = """import sys
sys.path[:] = sys.argv[2:]
import os
try:
    from ray._raylet import AuthenticationTokenLoader, GcsClient
    from ray.exceptions import AuthenticationError
except ImportError:
    sys.exit(0)  # Ray's own driver will see
try:
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token":
        try:
            found = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
        except AuthenticationError as error:  # it is named, and not there
            print(str(error).partition(". ")[0])
            sys.exit(4)
        if not found:
            sys.exit(5)  # Ray would end this process, aloud
    GcsClient(address=sys.argv[1])
except AuthenticationError:
    sys.exit(3)
except Exception as error:
    print(str(error).partition(". ")[0])  # the first sentence of several
    sys.exit(4)"""
"""The code of a process that asks whether the cluster at an address takes us: see `joining`. Where
Ray has no such client, it says that it does, and Ray's own driver finds out."""


@contextmanager
def while_joining(guard: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Have `ray.init`, within it, make this process a driver inside `guard()`: 0.1 s.

    Without Ray's function there is no guard: a Ctrl-C in that moment may end the process with a
    segmentation fault.
    """
    try:
        from ray._private import worker

        real = worker.connect
    except GONE:
        yield
        return

    def join(*args: Any, **options: Any) -> Any:
        with guard():
            return real(*args, **options)

    with replaced(worker, "connect", join):
        yield


@contextmanager
def on_loopback() -> Iterator[None]:
    """Have `ray.init`, within it, open its ports to this machine alone.

    Whoever reaches them runs code as the user. By itself Ray opens them, on Linux, at the machine's
    network address; it has a switch for macOS and Windows, where it keeps to loopback. Without the
    switch Ray starts as it does by itself, and `open_ports` says so.
    """
    with ExitStack() as stack:
        with suppress(*GONE):
            from ray._private import ray_constants

            stack.enter_context(setting(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0"))
            stack.enter_context(replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        yield


def open_ports() -> str | None:
    """Return the line that says that the ports of a Ray started here are open, or None."""
    if "loopback" in probe().applies:
        return None
    return (
        "this Ray cannot be kept to this machine alone: its ports are open at the machine's "
        "network address, and who reaches them runs code as you; RAY_AUTH_MODE=token guards them"
    )


@contextmanager
def without_uv() -> Iterator[None]:
    """Have Ray, within it, take no notice of `uv run`, unless the user has said that it is to.

    Where Ray has another switch for it, it does what it does by itself.
    """
    if UV in os.environ:
        yield
        return
    with ExitStack() as stack:
        with suppress(*GONE):
            from ray._private import ray_constants

            stack.enter_context(replaced(ray_constants, UV, False))
        yield


def bootstrap_address(address: str) -> str | None:
    """Return the HOST:PORT that Ray makes of `address`, which may be `auto`.

    Raises ConnectionError, ValueError or RuntimeError, as Ray does, where there is none. Without
    Ray's function: `address` where it is a HOST:PORT; else None, and Ray's driver finds out.
    """
    try:
        from ray._private.services import canonicalize_bootstrap_address_or_die
    except ImportError:
        host, _, port = address.rpartition(":")
        return address if host and port.isdecimal() else None
    found: str = canonicalize_bootstrap_address_or_die(address)
    return found


def has_token() -> bool:
    """Return whether Ray finds a token here.

    Raises RuntimeError or RayError where one is named, and not there. Without Ray's loader: whether
    one is where Ray's documentation says.
    """
    try:
        raylet: Any = importlib.import_module("ray._raylet")  # it has no types
        loader = raylet.AuthenticationTokenLoader.instance()
    except GONE:
        return _token() is not None
    return bool(loader.has_token(ignore_auth_mode=True))


def auth_headers() -> dict[str, str]:
    """Return the HTTP headers that show Ray's token, if Ray is to show one.

    Without Ray's function they are made by hand, as Ray's documentation has them.
    """
    try:
        from ray._private.authentication.http_token_authentication import (
            get_auth_headers_if_auth_enabled,
        )
    except ImportError:
        wanted = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
        token = _token() if wanted else None
        return {} if token is None else {"Authorization": f"Bearer {token}"}
    headers: dict[str, str] = get_auth_headers_if_auth_enabled({})
    return headers


def _token() -> str | None:
    """The token, from where Ray's documentation says that it may be."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / TOKEN_FILE
    with suppress(OSError):
        return Path(path).read_text().strip() or None
    return None


def read_settings_again() -> None:
    """Have Ray's core look into the environment again; by itself it does so once.

    Without Ray's function a token mode that is set now comes too late where Ray has looked before:
    the cluster then refuses us in Ray's words.
    """
    with suppress(*GONE):
        from ray import _raylet

        raylet: Any = _raylet
        raylet.Config.initialize("")


def autoscaler_status() -> Any:
    """Return what `ray status` reads: bytes of JSON by the autoscaler, or the object of its version
    2. None where it has said nothing yet, or Ray keeps it elsewhere: the cluster then counts as one
    whose machines are all there."""
    import ray

    try:
        from ray.autoscaler.v2.sdk import get_cluster_status
        from ray.autoscaler.v2.utils import is_autoscaler_v2

        if is_autoscaler_v2():
            return get_cluster_status(ray.get_runtime_context().gcs_address)
    except GONE:
        pass
    try:
        from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
        from ray.experimental.internal_kv import _internal_kv_get
    except GONE:
        return None
    return _internal_kv_get(DEBUG_AUTOSCALING_STATUS)


def has_autoscaler() -> bool:
    """Return whether Ray's process that watches the cluster has begun to write: seconds before its
    report. False where Ray keeps that elsewhere."""
    try:
        from ray.experimental.internal_kv import _internal_kv_get
    except ImportError:
        return False
    return bool(_internal_kv_get(AUTOSCALER_ADDRESS))


def is_local_mode() -> bool:
    """Return whether this process has initialised Ray in local mode.

    A Ray without these names has no local mode any more.
    """
    import ray

    if not ray.is_initialized():
        return False
    mode = getattr(getattr(ray.get_runtime_context(), "worker", None), "mode", None)
    return mode is not None and mode == getattr(ray, "LOCAL_MODE", None)


def is_ray_client() -> bool:
    """Return whether this process is connected to a cluster by Ray Client; False where Ray does not
    tell, and the sweep then fails in Ray's words."""
    try:
        from ray.util.client import ray as client
    except ImportError:
        return False
    is_connected: Callable[[], bool] | None = getattr(client, "is_connected", None)
    return bool(is_connected and is_connected())


def kill_started() -> None:
    """Kill the processes that Ray has started for this one; nothing where Ray was not imported.

    Where Ray keeps no list of them: every child of this process (on Linux; elsewhere Ray's
    processes notice within seconds that their driver is gone).
    """
    worker = sys.modules.get("ray._private.worker")
    if worker is None and "ray" not in sys.modules:
        return
    try:
        node = worker._global_node  # type: ignore[union-attr]
        started = [] if node is None else list(chain.from_iterable(node.all_processes.values()))
        for info in started:
            info.process.kill()
    except (AttributeError, TypeError):
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)


def _children() -> list[int]:
    """The processes whose parent this one is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # it ends meanwhile
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found
