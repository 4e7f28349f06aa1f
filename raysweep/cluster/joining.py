"""Check that a Ray cluster is at an address and accepts this driver, before Ray joins it.

If no cluster answers, Ray's driver retries for minutes, below Python, where no signal is handled,
and prints each error. So raysweep first sends the HTTP/2 preface, which any gRPC server answers at
once. Then a child process connects as Ray would; it can be killed at any time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from ray.exceptions import RayError

from raysweep.cluster.faststart import ray_internals
from raysweep.errors import UserError

PREFACE_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 20
"""Timeout of the child process, which imports Ray, perhaps on a busy machine."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The connection preface of an HTTP/2 client, with empty settings (RFC 9113, 3.4)."""
SETTINGS_FRAME = 4

MODE = "RAY_AUTH_MODE"
"""Ray's environment variable: with `token`, Ray sends its token to the cluster."""


class _Answer(Enum):
    """The exit code of the child process that connects."""

    ACCEPTED = 0
    REFUSED = 3
    OTHER = 4
    NO_TOKEN = 5


@contextmanager
def checked(address: str) -> Iterator[None]:
    """Check that Ray's driver can join the cluster at `address` in the block, with its token if the
    cluster requires one.

    Raises UserError within seconds if nothing answers, if what answers is not a cluster, or if the
    required token is missing here.
    """
    where = _find_server(address)
    with _token_mode(where is not None and _with_token(address, where)):
        yield


def not_joined(address: str, why: str) -> UserError:
    """Make the error for a cluster that is missing, or that rejects this driver."""
    return UserError(
        f"--address {address}: cannot join a Ray cluster there ({why}); "
        "check it with `ray status`, or leave the option out to start Ray here"
    )


def reason(error: BaseException) -> str:
    """Format an error in one line, which is never empty."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _find_server(address: str) -> str | None:
    """Return the HOST:PORT at which a gRPC server has answered; None if only Ray can resolve it."""
    try:
        where = ray_internals.bootstrap_address(address)
        if where is None:
            return None
        host, _, port = where.rpartition(":")
        if not port.isdecimal():
            raise ValueError(f"{where} is no HOST:PORT")
        with socket.create_connection((host.strip("[]"), int(port)), PREFACE_TIMEOUT_S) as server:
            if _encrypted():
                return where  # only Ray can check it
            server.settimeout(PREFACE_TIMEOUT_S)
            server.sendall(PREFACE)
            frame = server.recv(9)
    except TimeoutError:
        raise not_joined(address, f"no answer in {PREFACE_TIMEOUT_S} s") from None
    except OSError as error:  # ConnectionError is one, Ray's as well
        raise not_joined(address, error.strerror or reason(error)) from error
    except (ValueError, RuntimeError) as error:
        raise not_joined(address, reason(error)) from error
    if len(frame) < 4 or frame[3] != SETTINGS_FRAME:
        http = frame.startswith((b"HTTP/", b"<"))
        what = "an HTTP server answers" if http else "what answers is not Ray"
        raise not_joined(
            address, f"{what}; expected the address that `ray start` printed, port 6379 by default"
        )
    return where


def _encrypted() -> bool:
    """Return whether Ray's own variable enables TLS."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _with_token(address: str, where: str) -> bool:
    """Return whether the cluster requires a token. Raises UserError if none here is valid."""
    set_here = os.environ.get(MODE)
    answer = _ask(address, where, set_here)
    if answer is _Answer.ACCEPTED:
        return False
    if answer is _Answer.REFUSED and set_here is None:
        answer = _ask(address, where, "token")
        if answer is _Answer.ACCEPTED:
            return True
    raise UserError(f"--address {address}: {no_token(missing=answer is _Answer.NO_TOKEN)}")


def no_token(*, missing: bool) -> str:
    """Explain why a cluster that requires a token rejects this driver. `missing`: none is here."""
    if not missing and os.environ.get(MODE, "token").lower() != "token":
        return f"the cluster requires a token, and {MODE}={os.environ[MODE]} is set here; unset it"
    found = "but there is none here" if missing else "but the one here is not valid"
    return (
        f"the cluster requires a token, {found}; put the right one (on its head: "
        "`ray get-auth-token`) in ~/.ray/auth_token, in RAY_AUTH_TOKEN, or in a file that "
        "RAY_AUTH_TOKEN_PATH names"
    )


def _ask(address: str, where: str, mode: str | None) -> _Answer:
    """Connect in a child process. Raises UserError for a failure that is not about tokens."""
    env = {**os.environ, **({} if mode is None else {MODE: mode})}
    try:
        done = subprocess.run(
            [sys.executable, "-c", ray_internals.ASK, where, *sys.path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_TIMEOUT_S,
            env=env,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise not_joined(address, f"Ray did not answer in {ANSWER_TIMEOUT_S} s") from None
    try:
        answer = _Answer(done.returncode)
    except ValueError:
        answer = _Answer.OTHER
    if answer is _Answer.OTHER:
        why = " ".join(done.stdout.split()).rstrip(".")
        raise not_joined(address, why or f"Ray ended with exit code {done.returncode}")
    return answer


@contextmanager
def _token_mode(needed: bool) -> Iterator[None]:
    """Have Ray send its token within the block, if it is needed."""
    if not needed:
        yield
        return
    send_token()
    try:
        yield
    finally:
        os.environ.pop(MODE, None)
        ray_internals.read_settings_again()


def send_token() -> None:
    """Have Ray, in this process, send the token that it finds."""
    os.environ[MODE] = "token"
    ray_internals.read_settings_again()


def has_token() -> bool:
    """Return whether Ray finds a token here. Raises UserError if its variable names no file."""
    try:
        return ray_internals.has_token()
    except (RayError, RuntimeError) as error:
        raise UserError(reason(error).partition(". ")[0]) from None  # of several sentences
