"""Whether a Ray cluster is at an address, and takes us: known before Ray's own driver goes there.

Where no cluster answers, Ray's driver asks for minutes, below Python, where no signal is heard, and
prints what it meets. So first there is a knock, in words that any server of gRPC answers at once.
Then a process of its own asks as Ray would, which can be ended at any time.
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

KNOCK_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 20
"""Of a process that imports Ray, on a busy machine, too."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""What a client of HTTP/2 says first, with settings that are empty (RFC 9113, 3.4)."""
SETTINGS_FRAME = 4

MODE = "RAY_AUTH_MODE"
"""The variable in which Ray looks whether it is to show a cluster the token that it has."""


class _Answer(Enum):
    """What became of the process that asks: its exit code."""

    WELCOME = 0
    REFUSED = 3
    OTHER = 4
    NO_TOKEN = 5


@contextmanager
def admitted(address: str) -> Iterator[None]:
    """Within it, Ray's driver can join the cluster at `address`, with a token if it wants one.

    Raises UserError within seconds where nobody answers, or something else than a cluster, or
    where the token that it wants is not here.
    """
    where = _knocked(address)
    with _token_mode(where is not None and _with_token(address, where)):
        yield


def not_joined(address: str, why: str) -> UserError:
    """There is no cluster, or none for us."""
    return UserError(
        f"--address {address}: cannot join a Ray cluster there ({why}); "
        "check it with `ray status`, or leave the option out to start Ray here"
    )


def reason(error: BaseException) -> str:
    """In one line, and never an empty one."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _knocked(address: str) -> str | None:
    """The HOST:PORT, at which a server of gRPC has answered; None where only Ray knows it."""
    try:
        where = ray_internals.bootstrap_address(address)
        if where is None:
            return None
        host, _, port = where.rpartition(":")
        if not port.isdecimal():
            raise ValueError(f"{where} is no HOST:PORT")
        with socket.create_connection((host.strip("[]"), int(port)), KNOCK_TIMEOUT_S) as server:
            if _encrypted():
                return where  # Ray itself will see
            server.settimeout(KNOCK_TIMEOUT_S)
            server.sendall(PREFACE)
            said = server.recv(9)
    except TimeoutError:
        raise not_joined(address, f"no answer in {KNOCK_TIMEOUT_S} s") from None
    except OSError as error:  # ConnectionError is one, Ray's as well
        raise not_joined(address, error.strerror or reason(error)) from error
    except (ValueError, RuntimeError) as error:
        raise not_joined(address, reason(error)) from error
    if len(said) < 4 or said[3] != SETTINGS_FRAME:
        http = said.startswith((b"HTTP/", b"<"))
        what = "an HTTP server answers" if http else "what answers is no Ray"
        raise not_joined(
            address, f"{what}; expected the address that `ray start` printed, port 6379 by default"
        )
    return where


def _encrypted() -> bool:
    """Whether Ray is to speak TLS; the variable is Ray's."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _with_token(address: str, where: str) -> bool:
    """Whether the cluster wants a token, which Ray finds here."""
    set_here = os.environ.get(MODE)
    answer = _ask(address, where, set_here)
    if answer is _Answer.WELCOME:
        return False
    if answer is _Answer.REFUSED and set_here is None:
        answer = _ask(address, where, "token")
        if answer is _Answer.WELCOME:
            return True
    raise UserError(f"--address {address}: {no_token(missing=answer is _Answer.NO_TOKEN)}")


def no_token(*, missing: bool) -> str:
    """Why a cluster refuses us that wants a token; `missing`: there is none here to be shown."""
    if not missing and os.environ.get(MODE, "token").lower() != "token":
        return f"the cluster wants a token, and {MODE}={os.environ[MODE]} is set here; unset it"
    found = "and there is none here" if missing else "and the one here is not it"
    return (
        f"the cluster wants a token, {found}; put its own (on its head: `ray get-auth-token`) in "
        "~/.ray/auth_token, in RAY_AUTH_TOKEN, or in a file that RAY_AUTH_TOKEN_PATH names"
    )


def _ask(address: str, where: str, mode: str | None) -> _Answer:
    """Raises UserError for an answer that has nothing to do with tokens."""
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
        raise not_joined(address, f"no Ray has answered in {ANSWER_TIMEOUT_S} s") from None
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
    if not needed:
        yield
        return
    show_token()
    try:
        yield
    finally:
        os.environ.pop(MODE, None)
        ray_internals.read_settings_again()


def show_token() -> None:
    """Let Ray, in this process, show the token that it finds."""
    os.environ[MODE] = "token"
    ray_internals.read_settings_again()


def has_token() -> bool:
    """Whether Ray finds a token here. Raises UserError where it is named, and not there."""
    try:
        return ray_internals.has_token()
    except (RayError, RuntimeError) as error:
        raise UserError(reason(error).partition(". ")[0]) from None  # of several sentences
