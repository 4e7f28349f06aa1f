"""HTTP: reads a request, lets the due fault or the routed operation happen, and answers."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wandb_server.errors import Refusal, Violation
from wandb_server.faults import Fault
from wandb_server.routes import Request

if TYPE_CHECKING:
    from wandb_server.server import WandbServer


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
            path = urlsplit(self.path).path
            answer = self._perform(*self.wandb.router.route(self.command, path, self.headers, body))
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
            body = self.wandb.intercept(request, act)
            return None if body is None else Answer(body)
        if fault.after:
            act()
        return _failed(fault)

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
    body = {"errors": [{"message": message}], "data": None}
    return Answer(json.dumps(body).encode(), status)
