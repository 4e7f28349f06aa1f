"""Routes: which request is which operation, and what does it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import unquote

from wandb_server import execution, file_stream
from wandb_server.errors import Refusal, Violation
from wandb_server.state import State

_FILE_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_ARTIFACT_FILE = re.compile(r"/artifactsV2/[^/]+/[^/]+/[^/]+/[^/]+/([^/]+)/([0-9a-f]{32})/.+")
_STORAGE = re.compile(r"/storage/(.+)")


@dataclass(frozen=True)
class Request:
    """A request as it was recorded: a GraphQL operation's name, or file_stream, upload, download.

    `detail` is the operation's variables, the stream's message, or the path.
    """

    operation: str
    detail: Any


Routed = tuple[Request, Callable[[], bytes]]


class Router:
    """Finds what a request asks for; calling the second of the pair does it, and may refuse."""

    def __init__(self, state: State, api_key: str) -> None:
        self._state = state
        self._token = base64.b64encode(f"api:{api_key}".encode()).decode()

    def route(self, method: str, path: str, headers: Message, body: bytes) -> Routed:
        """Raises Refusal (401) for a wrong key, and Violation for no such route."""
        if match := _STORAGE.fullmatch(path):  # its URLs are secret, so that they need no key
            return self._storage(method, match[1], headers.get("Content-MD5"), body)
        if headers.get("Authorization") != f"Basic {self._token}":
            raise Refusal("invalid API key", status=401)
        if method == "POST" and path == "/graphql":
            return self._graphql(json.loads(body))
        if method == "POST" and (match := _FILE_STREAM.fullmatch(path)):
            return self._stream(match, json.loads(body))
        if method == "GET" and (match := _ARTIFACT_FILE.fullmatch(path)):
            id, md5 = unquote(match[1]), match[2]
            return Request("download", path), lambda: self._artifact_file(id, md5)
        raise Violation(f"{method} {path}: no such route")

    def _graphql(self, asked: dict[str, Any]) -> Routed:
        query, variables = asked["query"], asked.get("variables") or {}
        request = Request(execution.operation_name(query), variables)
        return request, lambda: _json({"data": execution.execute(self._state, query, variables)})

    def _stream(self, match: re.Match[str], message: dict[str, Any]) -> Routed:
        def stream() -> bytes:
            with self._state.lock:
                run = self._state.run(*match.groups())
                file_stream.apply(run, message, self._state.now())
            return _json({"exitcode": None, "limits": {}})

        return Request("file_stream", message), stream

    def _storage(self, method: str, key: str, md5: str | None, body: bytes) -> Routed:
        store = self._state.store

        def upload() -> bytes:
            with self._state.lock:
                store.put(key, body, md5)
            return b""

        if method == "PUT":
            return Request("upload", key), upload
        return Request("download", key), lambda: store.get(key)

    def _artifact_file(self, artifact_id: str, md5: str) -> bytes:
        """A file by its MD5, in hex: the client asks so for a single file, and where its URL from
        the storage has failed. The last part of its path is the file's name without its folders."""
        with self._state.lock:
            for file in self._state.artifact(artifact_id).files:
                if base64.b64decode(file.md5).hex() == md5:
                    return self._state.store.read(file.blob)
        raise Refusal(f"no file of MD5 {md5} found", status=404)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
