"""The endpoint: one key, and what a program's client asks of it."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from raysweep.tracking.endpoint import graphql
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.listener import Listener
from raysweep.tracking.endpoint.live import CONSOLE, EVENTS, HISTORY, SUMMARY, Heard, LiveRun
from raysweep.tracking.endpoint.mutations import Mutation
from raysweep.tracking.endpoint.project import ENTITY
from raysweep.tracking.endpoint.queries import Query
from raysweep.tracking.endpoint.state import State
from raysweep.tracking.endpoint.sweeps import Sweeping
from raysweep.tracking.endpoint.uploads import receive
from raysweep.tracking.store import Store

_FILE_STREAM = re.compile(r"/files/[^/]+/([^/]+)/([^/]+)/file_stream")
_TELEMETRY = "/sdk/otel/"
"""Where the client sends metrics and logs of its own."""

_ARTIFACT_FILE = re.compile(r"/artifactsV2/[^/]+/[^/]+/([^/]+)/([^/]+)/([^/]*)/([0-9a-f]{32})/.+")
_STORAGE = re.compile(r"/storage/(.+)")

_LEFT_OUT = "[raysweep: {count} lines are left out here]\n"

Say = Callable[[str], None]


class Endpoint:
    """The store of each project as a W&B server on a free port of loopback.

    `stores`: a project's name → its store. `first` is the run of a sweep's trial: the first
    run that a program begins becomes it, whatever the program calls it, and its group and job type
    stay the sweep's. `heard` is called with each row of history, from another thread; `say`
    with a line about what a client asked for and is not known here, once each. `sweeping` serves
    sweeps to W&B's agents; without it they are refused. `folder` is its own, for uploads on their
    way to the store.
    """

    def __init__(
        self,
        stores: Callable[[str], Store],
        *,
        first: str | None = None,
        heard: Heard = lambda _run, _row: None,
        say: Say = lambda _line: None,
        sweeping: Sweeping | None = None,
        folder: Path | None = None,
    ) -> None:
        self.api_key = secrets.token_hex(20)  # 40 characters: the client takes no fewer
        self.state = State(stores, first, heard, sweeping)
        self._say = say
        self._said: set[str] = set()
        self._folder = folder or Path(tempfile.mkdtemp(prefix="raysweep-endpoint-"))
        shutil.rmtree(self._folder, ignore_errors=True)  # what a killed process left
        self._folder.mkdir(0o700, parents=True)
        self._token = base64.b64encode(f"api:{self.api_key}".encode()).decode()
        self._listener = Listener(self)
        self.state.uploads.base_url = self.url
        self._thread = threading.Thread(
            target=self._listener.serve, name="wandb-endpoint", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    def environ(self) -> dict[str, str]:
        """Return the variables that point an unmodified client at it."""
        return {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_ENTITY": ENTITY,
            "WANDB_MODE": "online",
            "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1",  # s; by itself it sends rows after 15
            "WANDB_ERROR_REPORTING": "false",  # else it reports its errors to W&B's own server
        }

    def run(self, run_id: str) -> LiveRun | None:
        """Return what the program has said of the run; None where it has not begun it."""
        with self.state.lock:
            for project in self.state.projects.values():
                if run_id in project.live:
                    return project.live[run_id]
        return None

    def close_runs(self, exit_code: int) -> None:
        """Close the runs that are open although their program has ended, with its exit code."""
        with self.state.lock:
            for project in self.state.projects.values():
                for run in project.live.values():
                    if run.state == "running":
                        self._keep_streams(run)
                        run.end(exit_code)

    def interrupt_sweeps(self) -> None:
        """Say that the program is being ended: what fails from now on was cut short. Takes no lock,
        since a signal's handler calls it."""
        self.state.interrupted = True

    def close_sweeps(self) -> None:
        """Keep, when the program has ended, which runs of sweeps were cut short."""
        with self.state.lock:
            for sweep in self.state.sweeps():
                sweep.close()

    def stop(self) -> None:
        """End it. What it has answered is in the store."""
        self._listener.end()
        self._thread.join()
        self._listener.server_close()
        self._listener.cut_connections()
        shutil.rmtree(self._folder, ignore_errors=True)

    def unknown(self, what: str) -> None:
        """Say, once, what a client asked for that is not known here."""
        if what not in self._said:
            self._said.add(what)
            self._say(f"wandb asked for {what}, which is not kept here")

    # ---- what a request asks for ----

    def take_upload(self, path: str, body: BinaryIO, size: int) -> bytes:
        """Do a PUT to a URL that was handed out; its secret stands for the key."""
        match = _STORAGE.fullmatch(path)
        if match is None:
            raise Refusal(f"PUT {path}: no such route", status=404)
        self.state.uploads.put(match[1], body, size, self._folder)
        return b""

    def download(self, path: str, authorization: str | None) -> Iterator[bytes]:
        """Return the chunks of bytes that a GET asks for."""
        if match := _STORAGE.fullmatch(path):
            return self.state.uploads.get(match[1])
        self._check(authorization)
        if match := _ARTIFACT_FILE.fullmatch(path):
            project, collection, birth, md5 = map(unquote, match.groups())
            with self.state.lock:
                return self.state.project(project).file_chunks(collection, birth, md5)
        self.unknown(f"GET {path}")
        raise Refusal(f"GET {path}: no such route", status=404)

    def post(self, path: str, authorization: str | None, body: bytes) -> bytes:
        """Answer a POST."""
        if path.startswith(_TELEMETRY):
            return b"{}"  # not kept; without a key, the client would print that it was refused
        self._check(authorization)
        if path == "/graphql":
            return _json({"data": self._graphql(json.loads(body))})
        if match := _FILE_STREAM.fullmatch(path):
            return _json(self._stream(unquote(match[1]), unquote(match[2]), json.loads(body)))
        self.unknown(f"POST {path}")
        return b"{}"

    def _check(self, authorization: str | None) -> None:
        if not hmac.compare_digest(authorization or "", f"Basic {self._token}"):
            raise Refusal("invalid API key", status=401)

    def _graphql(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        with self.state.lock:
            roots = {"query": Query(self.state), "mutation": Mutation(self.state, self._say)}
            variables = asked.get("variables") or {}
            return graphql.answer(asked["query"], variables, roots, self.unknown)

    def _stream(self, project: str, run_id: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what a message of the file stream brings."""
        with self.state.lock:
            run = self.state.project(project).known(run_id)
            for name, chunk in (message.get("files") or {}).items():
                offset, lines = chunk["offset"], chunk["content"]
                if name == HISTORY:
                    run.add_rows(offset, lines, self.state.hear)
                elif name == SUMMARY:
                    run.set_summary(json.loads(lines[-1]))
                elif name in (CONSOLE, EVENTS):
                    run.add_lines(name, offset, lines)
                else:
                    self.unknown(f"the stream {name}")
            if message.get("complete"):
                self._keep_streams(run)
                run.end(int(message.get("exitcode") or 0))
            answer: dict[str, Any] = {"exitcode": None, "limits": {}}
            return {**answer, "stopped": True} if run.stop_requested.is_set() else answer

    def _keep_streams(self, run: LiveRun) -> None:
        """Keep the console and the system's metrics as files of the run."""
        for name, lines in run.streamed.items():
            data = lines.text(_LEFT_OUT if name == CONSOLE else "").encode()
            kept = receive(run.store, BytesIO(data), len(data), self._folder)
            run.add_file(kept.at(name))


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
