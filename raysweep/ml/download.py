"""Download a torchvision data set atomically."""

from __future__ import annotations

import http.client
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raysweep.errors import DataError
from raysweep.ml import files

MIRROR_TIMEOUT_S = 10.0
"""How long a mirror may stay silent. torchvision sets no limit of its own."""


def download(dataset: str, root: Path, timeout_s: float = MIRROR_TIMEOUT_S) -> None:
    """Download `dataset` through torchvision (checked against its MD5s) to below `root`.

    The files appear once all four are complete; a failure leaves `root` unchanged. `digits` needs
    no download. Raises DataError, which says which files to put where, if the download fails.
    """
    files.require_known(dataset)
    if dataset == files.DIGITS:
        return
    import torchvision

    try:
        with _scratch_beside(root) as scratch, _socket_timeout(timeout_s):
            getattr(torchvision.datasets, dataset)(scratch, download=True)
            _move(files.raw_folder(dataset, scratch), files.raw_folder(dataset, root))
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"data.root {root}: no {dataset} there, and downloading it failed ({reason}); put "
            f"{', '.join(files.RAW_FILES)} (plain or .gz) into "
            f"{files.raw_folder(dataset, root)}, or set data.dataset to {files.DIGITS}"
        ) from error


@contextmanager
def _scratch_beside(root: Path) -> Iterator[Path]:
    """Make a temporary folder on the file system of `root`, so that files move atomically."""
    home = next(folder for folder in (root, *root.parents) if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".raysweep-download-", dir=home) as scratch:
        yield Path(scratch)


@contextmanager
def _socket_timeout(timeout_s: float) -> Iterator[None]:
    """Set the process-wide socket timeout: torchvision opens URLs without one of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_s)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in files.RAW_FILES:
        (source / name).replace(target / name)
