"""A file system that keeps what was synced and nothing else: what a power cut leaves of a folder.

fsync of a file keeps its bytes, fsync of a folder keeps its names: POSIX promises no more. Each
call of `os.fsync` in this process is a moment at which what would be left changes.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

Inode = tuple[int, int]


class SyncedOnly:
    """Watches `root`, which is taken to be on the disk by itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._turn = threading.Lock()
        self._bytes: dict[Inode, bytes] = {}
        self._names: dict[Inode, dict[str, Inode]] = {}
        self._held: dict[Inode, int] = {}
        self.synced: Path | None = None
        """The file or folder that was synced last."""

    @contextmanager
    def watched(self, changed: Callable[[], None]) -> Iterator[None]:
        """`changed` is called after each fsync below `root`."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if self.root in (path, *path.parents):
                with self._turn:
                    self.synced = path
                    self._keep(path)
                    changed()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            yield
        for held in self._held.values():
            os.close(held)

    def left(self, to: Path, also: Callable[[Path], bool] = lambda path: False) -> None:
        """Write what a power cut would leave now into the new folder `to`; `also` says which files
        the file system happens to have written all the same."""
        to.mkdir(parents=True)
        self._write(_inode(self.root), to)
        for path in self.root.rglob("*"):
            if path.is_file() and also(path):
                copy = to / path.relative_to(self.root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):  # removed meanwhile
                    shutil.copyfile(path, copy)

    def _keep(self, path: Path) -> None:
        inode = self._hold(path)
        if inode is None:  # removed since it was opened
            return
        if path.is_dir():
            found = {each.name: self._hold(each) for each in path.iterdir()}
            self._names[inode] = {name: each for name, each in found.items() if each}
        else:
            with suppress(FileNotFoundError):
                self._bytes[inode] = path.read_bytes()

    def _hold(self, path: Path) -> Inode | None:
        """Keep it open: or its inode's number is given to another file when it is removed."""
        try:
            inode = _inode(path)
            if inode not in self._held:
                self._held[inode] = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        return inode

    def _write(self, folder: Inode, to: Path) -> None:
        for name, inode in self._names.get(folder, {}).items():
            if inode in self._names or self._is_folder(inode):
                (to / name).mkdir(exist_ok=True)
                self._write(inode, to / name)
            else:
                (to / name).write_bytes(self._bytes.get(inode, b""))

    def _is_folder(self, inode: Inode) -> bool:
        return Path(f"/proc/self/fd/{self._held[inode]}").is_dir()


def _inode(path: Path) -> Inode:
    stat = path.stat()
    return stat.st_dev, stat.st_ino
