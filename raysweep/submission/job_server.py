"""Ray's job server, from outside its cluster: whether it is there, and of the same versions."""

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
"""To be connected, and then again to be answered."""

_EXTRA = ("aiohttp",)
"""What Ray's client for jobs needs of `ray[default]`; requests comes with every Ray."""

_OVERRIDING = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Either of them beats, in Ray's client, the address that it is given."""


TOKENS = "use Ray's token authentication (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN)"


def check_address(address: str) -> str:
    """The address, without a slash at its end. Raises UserError for what is no http(s) address."""
    refuse_keys("--address", address, TOKENS)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(
            f"--address {address}: expected the address of Ray's job server, http://HOST:8265 "
            "(that of its dashboard); `run --address` joins a cluster from one of its machines"
        )
    return address.rstrip("/")


def check_extra() -> None:
    """Raise UserError where Ray's client for jobs lacks its packages."""
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"submit needs {' and '.join(missing)}, not installed here; "
            "pip install 'raysweep[cluster]'"
        )


def check_versions(address: str) -> None:
    """Raise UserError unless a job server answers within seconds, of this Ray and this Python.

    What is sent is source and YAML, so another patch release of Python (3.11.7, 3.11.9) will do.
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
    # Ray itself holds all machines of a cluster to one version of Python.
    told = _ask(address, "/api/v0/cluster_metadata", needed=False).get("data", {})
    here, there = platform.python_version(), told.get("pythonVersion")
    if there is None:  # an undocumented address, which this Ray has not; its versions are the same
        return
    if here.split(".")[:2] != str(there).split(".")[:2]:
        raise UserError(
            f"--address {address}: the cluster runs Python {there}, and here is Python {here}; "
            "submit with the cluster's"
        )


def client(address: str) -> Any:
    """Ray's own client of the job server at `address`, whatever the environment says."""
    with _without(_OVERRIDING):
        from ray.job_submission import JobSubmissionClient

        # Set when it is imported, and so nothing that `ray`'s own level would reach.
        logging.getLogger("ray.dashboard.modules.dashboard_sdk").setLevel(logging.WARNING)
        return JobSubmissionClient(address)


def lost() -> tuple[type[Exception], ...]:
    """What Ray's client raises where the server has gone; requests' errors are OSErrors."""
    errors: tuple[type[Exception], ...] = (RuntimeError, OSError)
    with suppress(ImportError):  # no client without it, and nothing to be raised
        from aiohttp import ClientError

        errors += (ClientError,)
    return errors


def _ask(address: str, path: str, *, needed: bool = True) -> dict[str, Any]:
    """What the server answers; nothing where there is no such path, and it is not `needed`."""
    try:
        answer = _get(address + path)
        if _wants_token(answer) and joining.MODE not in os.environ and joining.has_token():
            joining.show_token()  # to the client of `client`, too
            answer = _get(address + path)
        if _wants_token(answer):
            missing = "Authorization" not in answer.request.headers
            raise UserError(f"--address {address}: {joining.no_token(missing=missing)}")
        if answer.status_code == requests.codes.not_found and not needed:
            return {}
        answer.raise_for_status()
        said = answer.json()
    except requests.HTTPError as error:
        raise _no_server(address, str(error)) from None
    except requests.JSONDecodeError:
        raise _no_server(address, "what answers there is something else") from None
    except requests.RequestException as error:
        raise _no_server(address, _why(error)) from None
    return said if isinstance(said, dict) else {}


def _get(url: str) -> requests.Response:
    headers = ray_internals.auth_headers()
    return requests.get(url, timeout=ANSWER_TIMEOUT_S, headers=headers)


def _wants_token(answer: requests.Response) -> bool:
    """Ray's words for a token that is lacking, or another one; a proxy has its own."""
    return answer.status_code in (401, 403) and "authentication token" in answer.text


def _why(error: Exception) -> str:
    """The operating system's words at the bottom of what requests and urllib3 wrap around them."""
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
        "port 8265, unless `ray start` was told otherwise"
    )


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """The environment without these variables, for as long as it takes."""
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
