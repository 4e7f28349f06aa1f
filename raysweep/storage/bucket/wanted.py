"""Serve the requests of a sweep's processes for blobs at the URI (`tracking.wanted`)."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from raysweep.tracking.wanted import FAILED, SERVED, wanted_folder

_LOOK_S = 0.05


class BringsBlobs(Protocol):
    """The source of the blobs."""

    def blobs(self, project: str, digests: list[str]) -> None:
        """Download them. Raises UserError if that fails."""


class BlobServer:
    """Serves requests below the tracker's folder `root` from `start` to `stop`."""

    def __init__(self, root: Path, origin: BringsBlobs) -> None:
        self._folder, self._origin = wanted_folder(root), origin
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="raysweep-blobs", daemon=True)

    def start(self) -> None:
        """Start serving. A lock on the folder shows that a server is alive, so that nobody waits
        for a killed driver."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._lock = os.open(self._folder / SERVED, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and release the lock, so that later requests do not wait."""
        self._ended.set()
        self._thread.join(timeout=1)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with suppress(FileNotFoundError):
                for request in self._folder.iterdir():
                    if request.name != SERVED and request.suffix != FAILED:
                        self._answer(request)

    def _answer(self, request: Path) -> None:
        project, _, digest = request.name.rpartition(".")
        try:
            self._origin.blobs(project, [digest])
        except Exception as error:  # noqa: BLE001 - raised by the process that asked
            with suppress(OSError):  # a full disk: the process finds no blob
                request.with_name(request.name + FAILED).write_text(str(error), encoding="utf-8")
        finally:
            request.unlink(missing_ok=True)
