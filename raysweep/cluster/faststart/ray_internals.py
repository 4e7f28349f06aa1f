"""Hold every private part of Ray that raysweep uses for other purposes than a fast start.

Ray has no public names for these. Each function imports what it needs when it is called, so that
raysweep can be imported with any Ray, and documents its fallback for a missing name. `probe` checks
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
"""The exceptions for a name that Ray does not have."""

UV = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
"""Ray's switch for `uv run`: whether it uploads the working tree and starts each worker with uv.
Ray reads it once, at its import, which in a notebook may be long ago."""

AUTOSCALER_ADDRESS = "AutoscalerMetricsAddress"
"""The first key that Ray's monitor process writes."""

TOKEN_FILE = Path(".ray", "auth_token")
"""The last place where Ray looks for a token, below the user's home."""

ASK = """import sys
sys.path[:] = sys.argv[2:]
import os
try:
    from ray._raylet import AuthenticationTokenLoader, GcsClient
    from ray.exceptions import AuthenticationError
except ImportError:
    sys.exit(0)  # Ray's own driver finds out
try:
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token":
        try:
            found = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
        except AuthenticationError as error:  # its variable names a missing file
            print(str(error).partition(". ")[0])
            sys.exit(4)
        if not found:
            sys.exit(5)  # Ray would abort this process, with output
    GcsClient(address=sys.argv[1])
except AuthenticationError:
    sys.exit(3)
except Exception as error:
    print(str(error).partition(". ")[0])  # the first sentence of several
    sys.exit(4)"""
"""The code of the child process that connects to the cluster at an address: see `joining`. If Ray
has no such client, it reports success, and Ray's own driver finds out."""


@contextmanager
def while_joining(guard: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Wrap the 0.1 s in which `ray.init` makes this process a driver in `guard()`.

    If Ray's function is missing there is no guard: a Ctrl-C at that moment may end the process with
    a segmentation fault.
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
    """Have `ray.init` in the block open its ports on loopback only.

    Any client that reaches the ports can run code as the user. By default Ray opens them at the
    machine's network address on Linux; it has a switch for loopback, used on macOS and Windows. If
    the switch is missing, Ray starts with open ports, and `open_ports` returns a warning.
    """
    with ExitStack() as stack:
        with suppress(*GONE):
            from ray._private import ray_constants

            stack.enter_context(setting(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0"))
            stack.enter_context(replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        yield


def open_ports() -> str | None:
    """Return the warning that the ports of a Ray started here are open, or None."""
    if "loopback" in probe().applies:
        return None
    return (
        "this Ray cannot listen on loopback only: its ports are open at the machine's network "
        "address, and who reaches them runs code as you; RAY_AUTH_MODE=token guards them"
    )


@contextmanager
def without_uv() -> Iterator[None]:
    """Have Ray ignore `uv run` in the block, unless the user has set Ray's switch.

    If this Ray has another switch, it follows its default.
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
    """Return the HOST:PORT to which Ray resolves `address`, which may be `auto`.

    Raises ConnectionError, ValueError or RuntimeError, as Ray does, if there is none. If Ray's
    function is missing, return `address` if it is a HOST:PORT; else None, and Ray's driver
    resolves it.
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

    Raises RuntimeError or RayError if a variable names a missing file. If Ray's loader is missing,
    look where Ray's documentation says.
    """
    try:
        raylet: Any = importlib.import_module("ray._raylet")  # it has no types
        loader = raylet.AuthenticationTokenLoader.instance()
    except GONE:
        return _token() is not None
    return bool(loader.has_token(ignore_auth_mode=True))


def auth_headers() -> dict[str, str]:
    """Return the HTTP headers with Ray's token, if token authentication is on.

    If Ray's function is missing, build them as Ray's documentation describes.
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
    """Read the token from the places that Ray's documentation lists."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / TOKEN_FILE
    with suppress(OSError):
        return Path(path).read_text().strip() or None
    return None


def read_settings_again() -> None:
    """Have Ray's core read the environment again; by default it does so once.

    If Ray's function is missing, a token mode that is set after the first read has no effect, and
    the cluster rejects this driver with Ray's own message.
    """
    with suppress(*GONE):
        from ray import _raylet

        raylet: Any = _raylet
        raylet.Config.initialize("")


def autoscaler_status() -> Any:
    """Return what `ray status` reads: JSON bytes of the autoscaler, or an object of its version 2.

    None if there is no report yet, or Ray keeps it elsewhere: the cluster then counts as one that
    does not grow.
    """
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
    """Return whether Ray's monitor process has begun to write, seconds before its first report.
    False if Ray keeps that elsewhere."""
    try:
        from ray.experimental.internal_kv import _internal_kv_get
    except ImportError:
        return False
    return bool(_internal_kv_get(AUTOSCALER_ADDRESS))


def is_local_mode() -> bool:
    """Return whether this process has initialised Ray in local mode.

    A Ray without these names has no local mode.
    """
    import ray

    if not ray.is_initialized():
        return False
    mode = getattr(getattr(ray.get_runtime_context(), "worker", None), "mode", None)
    return mode is not None and mode == getattr(ray, "LOCAL_MODE", None)


def is_ray_client() -> bool:
    """Return whether this process is connected to a cluster by Ray Client; False if Ray's function
    is missing: the sweep then fails with Ray's own message."""
    try:
        from ray.util.client import ray as client
    except ImportError:
        return False
    is_connected: Callable[[], bool] | None = getattr(client, "is_connected", None)
    return bool(is_connected and is_connected())


def kill_started() -> None:
    """Kill the processes that Ray has started for this one. Do nothing if Ray was not imported.

    If Ray's list of processes is missing, kill every child of this process (on Linux; elsewhere
    Ray's processes notice within seconds that their driver is gone).
    """
    if "ray" not in sys.modules:
        return
    try:
        for process in _started():
            process.kill()
    except (AttributeError, TypeError):
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)


def has_lost_one() -> bool:
    """Return whether a process that Ray has started for this one, and counts on, has ended. False
    if Ray's list of processes is missing."""
    try:
        return any(process.poll() is not None for process in _started())
    except (AttributeError, TypeError, RuntimeError):  # the last: the list changes meanwhile
        return False


def _started() -> list[Any]:
    """List the processes that Ray has started for this one. Raises AttributeError or TypeError if
    Ray's list of them is missing."""
    node = sys.modules.get("ray._private.worker")._global_node  # type: ignore[union-attr]
    listed = [] if node is None else chain.from_iterable(node.all_processes.values())
    return [info.process for info in listed]


def _children() -> list[int]:
    """List the child processes of this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found
