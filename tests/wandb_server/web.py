"""HTTP: one request at a time a connection, routed to what answers it."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wandb_server import execution, file_stream
from wandb_server.errors import Refusal, Violation
from wandb_server.faults import Fault

if TYPE_CHECKING:
    from wandb_server.server import WandbServer

_FILE_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_STORAGE = "/storage/"


@dataclass(frozen=True)
class Request:
    """A request as it was recorded: a GraphQL operation's name, or file_stream, upload, download.

    `detail` is the operation's variables, the stream's message, or the path.
    """

    operation: str
    detail: Any


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    """Answers requests. `wandb` is set by the server that makes the class."""

    wandb: WandbServer
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment, sent at once: else each call stalls for 45 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed; requests are recorded."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            request, act = self._route(urlsplit(self.path).path, body)
            answer = self._perform(request, act)
        except Refusal as refusal:
            answer = _error(str(refusal), refusal.status)
        except Violation as violation:
            self.wandb.record_violation(str(violation))
            answer = _error(str(violation), 400)
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    def _perform(self, request: Request, act: Callable[[], bytes]) -> Answer | None:
        """Do it, or what the fault that is due says; None closes the connection."""
        self.wandb.requests.append(request)
        fault = self.wandb.faults.take(request.operation)
        if fault is None:
            return Answer(act())
        if fault.after:
            act()
        return _failed(fault)

    def _route(self, path: str, body: bytes) -> tuple[Request, Callable[[], bytes]]:
        if path.startswith(_STORAGE):  # its URLs are secret, so that they need no key
            return self._route_storage(path.removeprefix(_STORAGE), body)
        self._authorize()
        state = self.wandb.state
        if self.command == "POST" and path == "/graphql":
            asked = json.loads(body)
            query, variables = asked["query"], asked.get("variables") or {}
            return (
                Request(execution.operation_name(query), variables),
                lambda: _json({"data": execution.execute(state, query, variables)}),
            )
        if self.command == "POST" and (match := _FILE_STREAM.fullmatch(path)):
            message = json.loads(body)

            def stream() -> bytes:
                with state.lock:
                    file_stream.apply(state.run(*match.groups()), message, state.now())
                return _json({"exitcode": None, "limits": {}})

            return Request("file_stream", message), stream
        raise Violation(f"{self.command} {path}: no such route")

    def _route_storage(self, key: str, body: bytes) -> tuple[Request, Callable[[], bytes]]:
        store, lock = self.wandb.state.store, self.wandb.state.lock

        def upload() -> bytes:
            with lock:
                store.put(key, body, self.headers.get("Content-MD5"))
            return b""

        if self.command == "PUT":
            return Request("upload", key), upload
        return Request("download", key), lambda: store.get(key)

    def _authorize(self) -> None:
        """Raises Refusal (401) for any but the one key."""
        wanted = base64.b64encode(f"api:{self.wandb.api_key}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            raise Refusal("invalid API key", status=401)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


def _failed(fault: Fault) -> Answer | None:
    if fault.kind == "status":
        answer = _error("injected", fault.status)
        if fault.retry_after_s is not None:
            answer.headers["Retry-After"] = str(fault.retry_after_s)
        return answer
    time.sleep(fault.hang_s)
    return None


def _error(message: str, status: int) -> Answer:
    return Answer(_json({"errors": [{"message": message}], "data": None}), status)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
