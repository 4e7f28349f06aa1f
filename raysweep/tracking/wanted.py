"""Request a blob that is still at the storage's URI.

Only the sweep's driver reaches the URI, and it becomes known only during the sweep which blobs are
needed. A process that misses a blob leaves a request beside the store, an empty file named
`<project>.<digest>`, and waits until the file is removed: then the blob is there, or unavailable.
"""

from __future__ import annotations

import time
from pathlib import Path

from raysweep.errors import StoreFailed
from raysweep.locks import is_held

SERVED = "served"
FAILED = ".failed"
_LOOK_S = 0.02


def wanted_folder(root: Path) -> Path:
    """Return the folder of requests in the store at `root`."""
    return root / "wanted"


def is_at_uri(blob: Path) -> bool:
    """Whether a blob that is not here is at the storage's URI, as far as is known: a driver serves
    requests, and `bring` downloads it."""
    return not blob.exists() and _is_served(wanted_folder(blob.parents[5]))


def bring(blob: Path) -> None:
    """Wait until the driver has downloaded the blob; return at once if no driver serves requests.
    Raises StoreFailed if the download failed."""
    if blob.is_file():
        return
    project, root = blob.parents[3].name, blob.parents[5]
    folder = wanted_folder(root)
    if not _is_served(folder):
        return
    request = folder / f"{project}.{blob.name}"
    failed = request.with_name(request.name + FAILED)
    failed.unlink(missing_ok=True)
    try:
        request.touch()
    except FileNotFoundError:  # the driver has ended since
        return
    while request.exists() and _is_served(folder):
        time.sleep(_LOOK_S)
    if failed.exists() and not blob.is_file():
        raise StoreFailed(failed.read_text(encoding="utf-8"))


def _is_served(folder: Path) -> bool:
    """Return whether a driver serves requests: it holds a lock until it ends."""
    try:
        return is_held(folder / SERVED)
    except OSError:
        return False
