"""An address without a cluster is refused in one line, within seconds; a Ctrl-C works meanwhile."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from raysweep.cluster import joining
from raysweep.errors import UserError

from commands import start
from sweeps import digits, grid


def complaint(address: str) -> str:
    with pytest.raises(UserError) as caught, joining.checked(address):
        pass
    said = str(caught.value)
    assert "\n" not in said and "()" not in said
    return said


@contextmanager
def http_server() -> Iterator[str]:
    with HTTPServer(("0.0.0.0", 0), BaseHTTPRequestHandler) as server:
        server.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_http_server_is_refused() -> None:
    with http_server() as address:
        assert (
            "cannot join a Ray cluster there (an HTTP server answers; expected the address that "
            "`ray start` printed, port 6379 by default)"
        ) in complaint(address)


def test_a_closed_port_gives_the_systems_reason() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
    assert "(Connection refused)" in complaint(f"127.0.0.1:{port}")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PREFACE_TIMEOUT_S", 0.5)
    with socket.create_server(("0.0.0.0", 0)) as server:
        said = complaint(f"127.0.0.1:{server.getsockname()[1]}")
    assert "(no answer in 0.5 s)" in said


def test_another_grpc_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "ANSWER_TIMEOUT_S", 1)
    with speaks_grpc() as address:
        assert "(Ray did not answer in 1 s)" in complaint(address)


@pytest.mark.parametrize("address", ["127.0.0.1:ray", "127.0.0.1:"])
def test_what_has_no_port_is_no_address(address: str) -> None:
    assert "no HOST:PORT" in complaint(address) or "Invalid address format" in complaint(address)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM")
def test_sigterm_works_while_no_server_answers(tmp_path: Path) -> None:
    config = tmp_path / "sweep.yaml"
    config.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]))))
    asked = threading.Event()
    with speaks_grpc(asked) as address:
        arguments = ("--address", address, "--storage", tmp_path / "runs")
        with start("run", config, *arguments) as process:
            assert asked.wait(60)
            process.terminate()
            _, said = process.communicate(timeout=joining.ANSWER_TIMEOUT_S / 2)
    assert process.returncode == 130
    assert said.endswith("raysweep: interrupted before the sweep had started; nothing is kept\n")


@contextmanager
def speaks_grpc(asked: threading.Event | None = None) -> Iterator[str]:
    """Serve only the settings frame to each client. `asked`: set by the second client."""
    settings = bytes([0, 0, 0, joining.SETTINGS_FRAME, 0, 0, 0, 0, 0])
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            held.append(connection)
            connection.sendall(settings)
            if asked is not None and len(held) > 1:
                asked.set()

    with socket.create_server(("0.0.0.0", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
