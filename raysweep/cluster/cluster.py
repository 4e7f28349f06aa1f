"""Connect to Ray for a sweep: join a cluster, or start Ray here and shut it down afterwards."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from raysweep.addresses import refuse_keys
from raysweep.cluster import joining, machine, own, quiet, signals
from raysweep.cluster.cpus import usable_cpus
from raysweep.cluster.faststart import fork_server, ray_internals
from raysweep.cluster.faststart.checks import PatchName
from raysweep.cluster.faststart.fork_server import NOTHING, Preload
from raysweep.cluster.faststart.probe import switched_off, untested, usable
from raysweep.cluster.faststart.start import start
from raysweep.cluster.nodes import in_one_process
from raysweep.cluster.session_folder import remove_sessions
from raysweep.errors import UserError
from raysweep.invocation import program

BREAKPOINT = "PYTHONBREAKPOINT"
"""What `breakpoint()` calls."""


def may_have_other_nodes(address: str | None) -> bool:
    """Return whether the Ray that `connect` will return may have, or get, other nodes than this
    one: any Ray but one that is started for the sweep, or is in local mode."""
    return address is not None or (ray.is_initialized() and not in_one_process())


@contextmanager
def connect(
    address: str | None,
    *,
    local_mode: bool,
    verbose: bool,
    modules: Sequence[Path] = (),
    fast_start: bool = True,
    preload: Preload = NOTHING,
) -> Iterator[tuple[str, ...]]:
    """Join the cluster at `address`, or start Ray on this machine and shut it down afterwards.

    Yields lines for the user about how Ray was started. `modules`: the user's own packages and
    files, which Ray sends to the cluster's machines. `fast_start`: whether a Ray that is started
    here may be patched to start sooner (see `faststart`). `preload`: what its workers need.

    If the process has initialised Ray already, that Ray is used as it is.
    Raises UserError if there is no such cluster; if this Ray has no local mode; if `address` or
    `local_mode` is given although Ray is initialised; and for Ray Client, with which Tune runs on
    the cluster and reports trials to a copy of the driver's objects there.
    """
    with quiet.silenced(verbose), ray_internals.without_uv():
        quiet.apply_settings(joined=address is not None)
        if ray.is_initialized():
            if address or local_mode:
                raise UserError(
                    "this process has initialised Ray already, so address and local_mode come too "
                    "late; call ray.shutdown() first, or leave them out"
                )
            if ray_internals.is_ray_client():
                raise _by_client("this process is connected to a cluster by Ray Client")
            yield ()
            return
        wanted = fast_start and address is None and not switched_off()
        slow = untested() if wanted else None
        patches = usable() if wanted else frozenset[PatchName]()
        forked = "worker-copies" in patches and not local_mode
        server = fork_server.running(preload) if forked else nullcontext()
        alone = machine.shared() if address is None else nullcontext(machine.Mark())
        sessions: list[Path] = []
        try:
            with server, _checked(address), alone as mark:

                def started(session: Path) -> None:
                    sessions.append(session)
                    mark.note(sessions)

                try:
                    debugger = os.environ.get(BREAKPOINT)
                    retried = _initialise(address, local_mode, verbose, modules, patches, started)
                    if local_mode:
                        _give_back_breakpoint(debugger)
                    ports = None if address else ray_internals.open_ports()
                    yield tuple(line for line in (slow, retried, ports, mark.others) if line)
                finally:
                    ray.shutdown()
        finally:
            remove_sessions(sessions)


def _give_back_breakpoint(debugger: str | None) -> None:
    """Let `breakpoint()` be the user's: Ray has put its own debugger in its place."""
    if debugger is None:
        os.environ.pop(BREAKPOINT, None)
    else:
        os.environ[BREAKPOINT] = debugger


@contextmanager
def _checked(address: str | None) -> Iterator[None]:
    """Check that Ray can join the cluster, or start here; set its token mode for the block."""
    if address is None:
        own.check_temporary_folder()
        yield
        return
    resolved = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    as_url = resolved if "://" in resolved else f"ray://{resolved}"
    refuse_keys("--address", as_url, "let the cluster's network, or Ray's tokens, guard it")
    if resolved.startswith("ray://"):
        raise _by_client(f"--address {resolved}")
    with joining.checked(address):
        yield


def _initialise(
    address: str | None,
    local_mode: bool,
    verbose: bool,
    modules: Sequence[Path],
    patches: frozenset[PatchName],
    started: Callable[[Path], None],
) -> str | None:
    """Call `ray.init`. Returns the line that says that Ray was started twice, if it was. `started`
    is called with the session folder of each Ray that is started here."""
    options: dict[str, Any] = {"local_mode": True} if local_mode else {}
    if address is None:
        # Without `address="local"` a RAY_ADDRESS in the environment would be joined instead.
        options |= {"address": "local", "include_dashboard": False, "num_cpus": usable_cpus()}
        python = shlex.quote(sys.executable)
        if python != sys.executable and not local_mode:
            # Ray passes it to a shell unquoted: with a space in it, no worker would start.
            options["runtime_env"] = {"py_executable": python}
    else:
        options["address"] = address
        if modules:
            options["runtime_env"] = {"py_modules": [str(path) for path in modules]}
    loopback = nullcontext() if address else ray_internals.on_loopback()

    def init() -> None:
        context = ray.init(
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
            **options,
        )
        if address is None:
            started(Path(context.address_info["session_dir"]))

    try:
        with signals.handlers_restored(), ray_internals.while_joining(signals.deferred), loopback:
            check = signals.raise_if_interrupted
            return start(init, patches, workers=not local_mode, logs=verbose, check=check)
    except SystemExit:
        raise KeyboardInterrupt from None  # Ray's handler raises it at a SIGTERM
    except (OSError, ValueError, RuntimeError, RayError) as error:
        if "local_mode" in str(error):
            raise UserError(
                f"--local-mode: Ray {ray.__version__} no longer has it; "
                "install ray 2.54.1, or leave the option out"
            ) from error
        if address is None:
            raise
        raise joining.not_joined(address, joining.reason(error)) from error


def _by_client(what: str) -> UserError:
    return UserError(
        f"{what}: Ray Client reaches a cluster from outside, where no sweep can be driven; hand it "
        f"over with `{program()} submit`, or run it on a machine of the cluster with "
        "--address HOST:PORT"
    )
