"""The server: one port, one key, and what a test asks of it."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wandb_server.blobs import BlobStore
from wandb_server.faults import Fault, Faults
from wandb_server.routes import Request, Router
from wandb_server.state import State
from wandb_server.web import Handler

API_KEY = "5ec2e7" * 7  # 42 characters: the client takes no fewer than 40
USERNAME = "tester"


Intercept = Callable[[Request, Callable[[], bytes]], bytes | None]
"""Does the request, or does not; None closes the connection without an answer."""


def let_pass(request: Request, act: Callable[[], bytes]) -> bytes | None:
    """The Intercept of a server that nobody intercepts."""
    return act()


class WandbServer:
    """A server on a free port of loopback; `folder` takes uploads, and the client's own files."""

    api_key = API_KEY
    entity = USERNAME

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._violations: list[str] = []
        self._port = 0  # any; kept when the server comes back
        self._listener: _Listener | None = None
        self.faults = Faults()
        self.requests: list[Request] = []
        self.intercept: Intercept = let_pass
        (folder / "blobs").mkdir(parents=True)
        self.state = State(BlobStore(folder / "blobs"), USERNAME)
        self.router = Router(self.state, API_KEY)

    def start(self) -> None:
        """Begin, or come back with all that was known, on the same port."""
        assert self._listener is None
        self._listener = _Listener(self, self._port)
        self._port = self._listener.server_address[1]
        self.state.store.base_url = self.url
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Go away: open connections are cut, and new ones refused."""
        assert self._listener is not None
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.cut_connections()
        self._listener = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Inside the block nobody is there."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environ(self) -> dict[str, str]:
        """What the unmodified client needs, in this process or in another, to talk to it."""
        folders = {
            f"WANDB_{name}_DIR": str(self.folder / name.lower())
            for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")
        }
        return folders | {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_DIR": str(self.folder),
            "WANDB_ERROR_REPORTING": "false",  # else it reports its errors to W&B, over the network
        }

    def inject(self, operation: str, fault: Fault, times: int = 1) -> None:
        """The next requests of that operation (as Request names it, or EVERY) get the fault."""
        self.faults.add(operation, fault, times)

    def operations(self) -> list[str]:
        """What was asked so far, in order."""
        return [request.operation for request in self.requests]

    def record_violation(self, what: str) -> None:
        """Remember that the client sent what the server does not know."""
        self._violations.append(what)

    def take_violations(self) -> list[str]:
        """What the client sent that the server does not know; forgotten when it is read."""
        violations, self._violations = self._violations, []
        return violations


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wandb: WandbServer, port: int) -> None:
        self._wandb = wandb
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), type("Bound", (Handler,), {"wandb": wandb}))

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it went by itself

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):  # a client may go away whenever it likes
            self._wandb.record_violation(f"the server's own bug: {error!r}")
