"""HTTP: one port on loopback, whose requests another object answers."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from raysweep.errors import RaysweepError
from raysweep.tracking.endpoint.graphql import Refusal

_JSON_LIMIT = 256 * 2**20
"""Bytes of a request that is no upload: a history of a day in one message stays far below."""


class Answers(Protocol):
    """What answers requests. Each raises Refusal, with the status, or an error of the store."""

    def post(self, path: str, authorization: str | None, body: bytes) -> bytes:
        """Answer a POST."""

    def take_upload(self, path: str, body: BinaryIO, size: int) -> bytes:
        """Do a PUT of `size` bytes."""

    def download(self, path: str, authorization: str | None) -> Iterator[bytes]:
        """Return the chunks of bytes that a GET asks for."""


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: Answers) -> None:
        self._connections: set[socket.socket] = set()
        self._ending = threading.Event()
        handler = type("Bound", (_Handler,), {"answers": answers})
        super().__init__(("127.0.0.1", 0), handler)

    def serve(self) -> None:
        """Serve until `end`, without the looks at a flag, many a second, of `serve_forever`."""
        while not self._ending.is_set():
            self.handle_request()

    def end(self) -> None:
        """End `serve`, which waits for a connection: this one."""
        self._ending.set()
        socket.create_connection(("127.0.0.1", self.server_address[1])).close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        """Close what clients have open, or their next request would wait for an answer."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client has closed it

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client may go away whenever it likes."""


class _Handler(BaseHTTPRequestHandler):
    """Answers requests. `answers` is set by the listener, which makes the class."""

    answers: Answers
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment, sent at once: else each call stalls for 45 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._answered(lambda: self.answers.post(self._path, self._key, self._body()))

    def do_PUT(self) -> None:
        body: BinaryIO = self.rfile  # type: ignore[assignment]
        self._answered(lambda: self.answers.take_upload(self._path, body, self._size))

    def do_GET(self) -> None:
        self._answered(lambda: self.answers.download(self._path, self._key))

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    @property
    def _path(self) -> str:
        return urlsplit(self.path).path

    @property
    def _key(self) -> str | None:
        return self.headers.get("Authorization")

    @property
    def _size(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _body(self) -> bytes:
        if self._size > _JSON_LIMIT:
            raise Refusal("the request is too large", status=413)
        body = self.rfile.read(self._size)
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answered(self, act: Callable[[], bytes | Iterator[bytes]]) -> None:
        try:
            answer, status = act(), 200
        except Refusal as refusal:
            answer, status = _error(str(refusal)), refusal.status
        except RaysweepError as error:  # the store's: the client tries a 5xx again
            answer, status = _error(str(error)), 500
        self.send_response(status)
        if status != 200:  # the body may be unread, and would be taken for the next request
            self.send_header("Connection", "close")
        if isinstance(answer, bytes):
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        else:
            self._send_chunks(answer)

    def _send_chunks(self, chunks: Iterator[bytes]) -> None:
        """Send bytes of which nobody knows how many there are."""
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            if chunk:  # an empty one is the end
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


def _error(message: str) -> bytes:
    return json.dumps({"errors": [{"message": message}], "data": None}).encode()
