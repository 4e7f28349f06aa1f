"""Check Ray's job server from outside its cluster: reachable, and with the same versions."""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import ray
import requests

from raysweep.addresses import refuse_keys
from raysweep.cluster import joining
from raysweep.cluster.faststart import ray_internals
from raysweep.errors import UserError

ANSWER_TIMEOUT_S = 3
"""Timeout to connect, and again to answer."""

_EXTRA = ("aiohttp",)
"""Packages of `ray[default]` that Ray's job client needs; requests comes with every Ray."""

_OVERRIDING = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Variables that override, in Ray's client, the address that it is given."""


TOKENS = "use Ray's token authentication (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)"


def check_address(address: str) -> str:
    """Return the address without a trailing slash. Raises UserError unless it is http(s)."""
    refuse_keys("--address", address, TOKENS)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"--address {address}: expected the address of Ray's job server, http://HOST:8265 "
            "(its dashboard's address); `run --address` joins a cluster from one of its machines"
        )
    return address.rstrip("/")


def check_extra() -> None:
    """Raise UserError if packages of Ray's job client are missing."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"submit needs {' and '.join(missing)}, which is not installed here; "
            "pip install 'raysweep[cluster]'"
        )


def check_versions(address: str) -> None:
    """Raise UserError unless a job server with this Ray and this Python answers within seconds.

    The job is sent as source and YAML, so another patch release of Python (3.11.7, 3.11.9) works.
    """
    answer = _ask(address, "/api/version")
    if "ray_version" not in answer:
        raise _no_server(address, "what answers there is something else")
    here, there = ray.__version__, str(answer["ray_version"])
    if here != there:
        raise UserError(
            f"--address {address}: the cluster runs Ray {there}, and here is Ray {here}; "
            f"install ray=={there} here, or Ray {here} there"
        )
    # Ray itself requires the same Python on all machines of a cluster.
    metadata = _ask(address, "/api/v0/cluster_metadata", needed=False).get("data", {})
    here, there = platform.python_version(), metadata.get("pythonVersion")
    if there is None:  # the path is undocumented, and this Ray does not have it
        return
    if here.split(".")[:2] != str(there).split(".")[:2]:
        raise UserError(
            f"--address {address}: the cluster runs Python {there}, and here is Python {here}; "
            "submit with the cluster's"
        )


def client(address: str) -> Any:
    """Make Ray's client of the job server at `address`, ignoring the environment."""
    with _without(_OVERRIDING):
        from ray.job_submission import JobSubmissionClient

        # Its logger gets a level at import, so the level of `ray` does not apply.
        logging.getLogger("ray.dashboard.modules.dashboard_sdk").setLevel(logging.WARNING)
        return JobSubmissionClient(address)


def lost() -> tuple[type[Exception], ...]:
    """List the errors of Ray's client for a lost server; requests' errors are OSErrors."""
    errors: tuple[type[Exception], ...] = (RuntimeError, OSError)
    with suppress(ImportError):  # without it there is no client to raise
        from aiohttp import ClientError

        errors += (ClientError,)
    return errors


def _ask(address: str, path: str, *, needed: bool = True) -> dict[str, Any]:
    """Return the server's JSON answer; {} if the path is missing and not `needed`."""
    try:
        answer = _get(address + path)
        if _wants_token(answer) and joining.MODE not in os.environ and joining.has_token():
            joining.send_token()  # the client made by `client` sends it, too
            answer = _get(address + path)
        if _wants_token(answer):
            missing = "Authorization" not in answer.request.headers
            raise UserError(f"--address {address}: {joining.no_token(missing=missing)}")
        if answer.status_code == requests.codes.not_found and not needed:
            return {}
        answer.raise_for_status()
        content = answer.json()
    except requests.HTTPError as error:
        raise _no_server(address, str(error)) from None
    except requests.JSONDecodeError:
        raise _no_server(address, "what answers there is something else") from None
    except requests.RequestException as error:
        raise _no_server(address, _why(error)) from None
    return content if isinstance(content, dict) else {}


def _get(url: str) -> requests.Response:
    headers = ray_internals.auth_headers()
    return requests.get(url, timeout=ANSWER_TIMEOUT_S, headers=headers)


def _wants_token(answer: requests.Response) -> bool:
    """Return whether Ray rejected a missing or wrong token; a proxy answers differently."""
    return answer.status_code in (401, 403) and "authentication token" in answer.text


def _why(error: Exception) -> str:
    """Extract the operating system's message from the errors of requests and urllib3."""
    if isinstance(error, requests.Timeout):
        return f"no answer in {ANSWER_TIMEOUT_S} s"
    bottom: BaseException = error
    while (below := getattr(bottom, "reason", None) or bottom.__context__) is not None:
        if not isinstance(below, BaseException):
            break
        bottom = below
    return str(getattr(bottom, "strerror", None) or bottom)


def _no_server(address: str, why: str) -> UserError:
    return UserError(
        f"--address {address}: no job server of Ray there ({why}); it is on the head machine, "
        "port 8265, unless `ray start` got another one"
    )


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Remove these variables from the environment during the block."""
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
