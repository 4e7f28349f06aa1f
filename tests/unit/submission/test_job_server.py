"""A job server is checked, and its versions, before anything is sent to it."""

from __future__ import annotations

import json
import platform
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import ray
from ray._private.authentication import http_token_authentication

from raysweep.cluster.faststart import ray_internals
from raysweep.errors import UserError
from raysweep.submission import job_server


@contextmanager
def answering(**versions: str) -> Iterator[str]:
    """Serve the answers of Ray's job server at an address of this machine."""
    said: dict[str, Any] = {}
    if "ray" in versions:
        said["/api/version"] = {"version": "4", "ray_version": versions["ray"]}
    if "python" in versions:
        metadata = {"rayVersion": versions["ray"], "pythonVersion": versions["python"]}
        said["/api/v0/cluster_metadata"] = {"result": True, "msg": "", "data": metadata}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in said else 404)
            self.end_headers()
            self.wfile.write(json.dumps(said.get(self.path, {})).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def complaint(address: str) -> str:
    with pytest.raises(UserError) as caught:
        job_server.check_versions(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_same_versions_are_accepted_with_any_patch_release_of_python() -> None:
    minor = ".".join(platform.python_version_tuple()[:2])
    with answering(ray=ray.__version__, python=f"{minor}.999") as address:
        job_server.check_versions(address)


def test_another_ray_is_refused_with_both_named() -> None:
    with answering(ray="2.1.0", python=platform.python_version()) as address:
        words = complaint(address)
    assert f"the cluster runs Ray 2.1.0, and here is Ray {ray.__version__}" in words


def test_another_python_is_refused_with_both_named() -> None:
    with answering(ray=ray.__version__, python="3.8.1") as address:
        words = complaint(address)
    assert f"the cluster runs Python 3.8.1, and here is Python {platform.python_version()}" in words


def test_a_ray_that_does_not_report_its_python_is_accepted() -> None:
    with answering(ray=ray.__version__) as address:
        job_server.check_versions(address)


def test_without_rays_function_a_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http_token_authentication, "get_auth_headers_if_auth_enabled")
    assert ray_internals.auth_headers() == {}
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    assert ray_internals.auth_headers() == {"Authorization": "Bearer abc"}
    with answering(ray=ray.__version__) as address:
        job_server.check_versions(address)


def test_another_server_is_no_job_server() -> None:
    with answering() as address:
        assert "no job server of Ray there (404" in complaint(address)


def test_a_closed_port_is_reported_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "no job server of Ray there (Connection refused)" in complaint(
        f"http://127.0.0.1:{port}"
    )


def test_a_silent_server_is_reported_within_five_seconds() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = complaint(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert "no answer in 3 s" in words
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("address", ["auto", "localhost:8265", "ray://head:10001", "http://", ""])
def test_an_address_that_is_not_http_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"^--address .*: expected .*http://HOST:8265"):
        job_server.check_address(address)


def test_a_trailing_slash_is_removed() -> None:
    assert job_server.check_address("https://ray.example/a/") == "https://ray.example/a"


def test_missing_packages_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_server, "_EXTRA", ("no_such_package",))
    with pytest.raises(UserError, match=r"not installed here; pip install 'raysweep\[cluster\]'$"):
        job_server.check_extra()
