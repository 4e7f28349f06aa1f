"""A W&B project through the client: names, one connection, and errors in one line."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import wandb
from wandb.errors import CommError

from raysweep.errors import ArtifactNotFound, RaysweepError, TrackingError
from raysweep.tracking.names import parse_reference, validate_project
from raysweep.tracking.wandb.key import where_the_key_is

_KNOCK_TIMEOUT_S = 5
_CONNECT_TIMEOUT_S = 10
_TIMEOUT_S = 20  # of later calls, in which the client may make up to four requests
_FAILURES = (ValueError, TypeError, RuntimeError, OSError)


class Project:
    """The project's name and its connection, opened lazily; a pickled copy is not connected."""

    def __init__(self, project: str, entity: str | None) -> None:
        self.name = validate_project(project)
        self._entity = entity

    def __reduce__(self) -> tuple[Any, ...]:
        return Project, (self.name, self._entity)

    @cached_property
    def api(self) -> Any:
        """The client's `Api`, for reading. Raises TrackingError if the server refuses it."""
        with self.explained("connect"):
            wandb.setup(wandb.Settings(silent=True))  # else it prints each login and download
            wandb.Api(timeout=_CONNECT_TIMEOUT_S)  # verifies the server and the key
            return wandb.Api(timeout=_TIMEOUT_S)

    @cached_property
    def entity(self) -> str:
        """The team or user that owns the project: the configured one, else the key's default."""
        with self.explained("find the default entity"):
            entity = self._entity or os.environ.get("WANDB_ENTITY") or self.api.default_entity
        if not entity:
            raise TrackingError(
                f"W&B project {self.name}: the key has no default entity; set tracking.entity"
            )
        return entity

    def probe(self) -> None:
        """Raise TrackingError unless the server answers and accepts the key; takes at most 15 s."""
        self.knock()
        with self.explained("connect"):
            wandb.Api(timeout=_CONNECT_TIMEOUT_S)

    def knock(self) -> None:
        """Raise TrackingError if no server listens at the address, or no key is configured.

        The client itself would retry for a minute, and prompt for a key in a terminal. Behind a
        proxy the check is skipped: only the client knows how to connect.
        """
        if not (where_the_key_is(os.environ) or os.environ.get("WANDB_IDENTITY_TOKEN_FILE")):
            raise TrackingError(f"W&B project {self.name}: cannot connect: no key is configured")
        with self.explained("connect"):
            place = urlsplit(wandb.setup().settings.base_url)
            if place.scheme in getproxies() and not proxy_bypass(place.hostname or ""):
                return
            port = place.port or (443 if place.scheme == "https" else 80)
            socket.create_connection((place.hostname or "", port), _KNOCK_TIMEOUT_S).close()

    @property
    def scope(self) -> str:
        """Six characters that distinguish this project from projects of the same name elsewhere;
        makes no request."""
        place = (
            os.environ.get("WANDB_BASE_URL", ""),
            self._entity or os.environ.get("WANDB_ENTITY", ""),
            self.name,
        )
        return hashlib.sha256("\n".join(place).encode()).hexdigest()[:6]

    @property
    def url(self) -> str:
        """The URL of the project."""
        with self.explained("connect"):
            assert self.api, "verifies the key, which a configured entity does not require"
            app = wandb.setup().settings.app_url
        return f"{app.rstrip('/')}/{self.entity}/{self.name}"

    def path(self, name: str) -> str:
        """Return `entity/project/name`, the client's path of a run or an artifact."""
        return f"{self.entity}/{self.name}/{name}"

    def artifact(self, ref: str) -> wandb.Artifact:
        """Find the version that the reference names. Raises ArtifactNotFound."""
        path = self.path(str(parse_reference(ref)))
        with self.explained(f"read artifact {ref}"):
            try:
                artifact: wandb.Artifact = self.api.artifact(path)
                return artifact
            except CommError as error:
                if self.api.artifact_exists(path):  # then the error has another cause
                    raise
                raise ArtifactNotFound(
                    f"artifact {ref!r}: not in W&B project {self.entity}/{self.name}; "
                    "see its Artifacts page for what is"
                ) from error

    def run(self, run_id: str) -> Any:
        """Fetch the run's current state from the server."""
        with self.explained(f"read run {run_id}"):
            self.api.flush()  # the client caches runs for the life of the process
            return self.api.run(self.path(run_id))

    def find_run(self, run_id: str) -> Any | None:
        """Fetch the run's current state from the server; None if it does not exist."""
        with self.explained(f"look for run {run_id}"):
            return next(iter(self._runs({"name": run_id})), None)

    def runs(self, group: str | None) -> list[Any]:
        """List the runs of a group, or of the project, oldest first."""
        with self.explained("read runs"):
            return self._runs({"group": group} if group is not None else {})

    def _runs(self, filters: Mapping[str, str]) -> list[Any]:
        self.api.flush()
        try:
            place = f"{self.entity}/{self.name}"
            return list(
                self.api.runs(place, filters=dict(filters), order="+created_at", lazy=False)
            )
        except ValueError as error:
            if "Could not find project" in str(error):  # W&B creates it with its first run
                return []
            raise

    @contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Convert the client's errors to a TrackingError of one line, without the key."""
        try:
            yield
        except RaysweepError:
            raise
        except Exception as error:
            if not (isinstance(error, _FAILURES) or _is_the_clients(error)):
                raise
            line = " ".join(str(error).split()) or type(error).__name__
            if key := os.environ.get("WANDB_API_KEY"):
                line = line.replace(key, "***")
            raise TrackingError(
                f"W&B project {self.name}: cannot {what}: {line}; check the connection, "
                "WANDB_BASE_URL and the key"
            ) from error


def _is_the_clients(error: Exception) -> bool:
    """Whether W&B's client defines the error: not all that it raises are a `wandb.Error`."""
    return type(error).__module__.partition(".")[0] == "wandb"
