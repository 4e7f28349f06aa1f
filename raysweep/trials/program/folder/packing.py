"""Pack a program's folder for other machines: what is left out, how much is too much.

As a module it unpacks, on a machine that has only the archive:
`python -m raysweep.trials.program.folder.packing ARCHIVE FOLDER`.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import IO, Protocol

from pathspec import GitIgnoreSpec

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.storage.record import TRACKER_FOLDER
from raysweep.trials.program.calls import files_to_run, users_folder

MOST_BYTES = 500_000_000
"""Limit of the size of all files that are sent. A submitted sweep is sent as a job's working
folder, of which Ray takes 512 MiB, packed."""

IGNORE_FILES = (".gitignore", ".raysweepignore")
"""Of a folder; the last pattern that matches counts, so the second file overrides the first."""

_NEVER = frozenset(
    {
        *(".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache"),
    }
)
_LARGEST = 3
"""How many entries a refusal names."""


class Written(Protocol):
    """What an archive is written to."""

    def write(self, data: bytes, /) -> int:
        """Append `data`."""
        ...


def entries(folder: Path, storage: Path) -> Iterator[Path]:
    """Yield the paths of all that is sent, below `folder`: files, links and folders, a folder
    before its entries.

    Left out are version control's and caches' folders, environments of Python, W&B's files, sweeps
    (`storage`, and any other storage), sockets and the like, and what the ignore files name: of
    each folder, and, of a part of a repository, of the folders above it.
    """
    yield from _below(folder, folder, storage.resolve(), _specs_above(folder))


def _below(
    folder: Path, top: Path, storage: Path, specs: Sequence[tuple[Path, GitIgnoreSpec]]
) -> Iterator[Path]:
    specs = [*specs, *_specs_of(folder)]
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        is_folder = S_ISDIR(mode)
        if not (is_folder or S_ISREG(mode) or S_ISLNK(mode)) or path.name in _NEVER:
            continue
        if _is_ignored(path, specs, is_folder=is_folder):
            continue
        if path.is_dir() and _is_no_input(path, top, storage):
            continue
        yield path
        if is_folder:
            yield from _below(path, top, storage, specs)


def _specs_above(folder: Path) -> list[tuple[Path, GitIgnoreSpec]]:
    """Return the patterns of the folders above, up to the repository's. A pattern that names the
    folder itself does not count: the user runs the program there."""
    parents = list(folder.parents)
    root = next((at for at, each in enumerate(parents) if (each / ".git").exists()), None)
    if root is None or (folder / ".git").exists():
        return []
    above = reversed(parents[: root + 1])
    return [each for parent in above for each in _specs_of(parent, not_naming=folder)]


def _specs_of(folder: Path, not_naming: Path | None = None) -> list[tuple[Path, GitIgnoreSpec]]:
    """Return the patterns of a folder's ignore files, but for those that match `not_naming`, and
    those that are none (`!`), which git skips."""
    lines = [
        line
        for name in IGNORE_FILES
        if (folder / name).is_file()
        for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    lines = [line for line in lines if _is_pattern(line)]
    if not_naming is not None:
        lines = [line for line in lines if not _names(folder, line, not_naming)]
    return [(folder, GitIgnoreSpec.from_lines(lines))] if lines else []


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _names(base: Path, line: str, folder: Path) -> bool:
    return _is_ignored(folder, [(base, GitIgnoreSpec.from_lines([line]))], is_folder=True)


def _is_ignored(
    path: Path, specs: Sequence[tuple[Path, GitIgnoreSpec]], *, is_folder: bool
) -> bool:
    return _ignored_by(path, specs, is_folder=is_folder) is not None


def _ignored_by(
    path: Path, specs: Sequence[tuple[Path, GitIgnoreSpec]], *, is_folder: bool
) -> Path | None:
    """Return the folder whose ignore files name the path. The innermost pattern that matches
    decides."""
    for base, spec in reversed(specs):
        found = spec.check_file(path.relative_to(base).as_posix() + ("/" if is_folder else ""))
        if found.include is not None:
            return base if found.include else None
    return None


def _is_no_input(folder: Path, top: Path, storage: Path) -> bool:
    """Return whether it is an environment, W&B's folder, or one in which sweeps are kept."""
    return (
        (folder / "pyvenv.cfg").exists()
        or (folder / "conda-meta").exists()
        or (folder.name == "wandb" and (folder.parent == top or any(folder.glob("*run-*"))))
        or folder.resolve() == storage
        or any(folder.glob("*/sweep.json"))
        or _is_in_storage(folder, storage)
    )


def _is_in_storage(folder: Path, storage: Path) -> bool:
    """Return whether it is a sweep or the tracker's folder, where `top` itself is a storage."""
    of_tracker = folder.name == TRACKER_FOLDER and folder.parent.resolve() == storage
    return of_tracker or all((folder / name).exists() for name in ("sweep.json", "config.yaml"))


def check(config: Config) -> None:
    """Raise a UserError where the program would not be sent, or where the folder is too large."""
    folder, storage = users_folder(config).absolute(), Path(config.storage).expanduser()
    sizes: dict[str, int] = {}
    with _readable(folder):
        for path in entries(folder, storage):
            below = path.relative_to(folder)
            if not path.is_symlink() and path.is_file():
                sizes[below.parts[0]] = sizes.get(below.parts[0], 0) + path.stat().st_size
    size = sum(sizes.values())
    if size > MOST_BYTES:
        first, *others = sorted(sizes, key=lambda name: -sizes[name])[:_LARGEST]
        largest = [first, *(name for name in others if sizes[name] > size / 100)]
        named = ", ".join(f"{name} ({_mb(sizes[name])})" for name in largest)
        raise UserError(
            f"program.directory: {folder}: has {_mb(size)} to send to the cluster's nodes, and at "
            f"most {_mb(MOST_BYTES)} are sent; the largest: {named}; name what trials do not need, "
            f"or find elsewhere, in {folder / '.raysweepignore'}"
        )
    for where, word in files_to_run(config):
        _check_sent(where, word, folder, storage.resolve())


def _check_sent(where: str, word: str, folder: Path, storage: Path) -> None:
    """Raise a UserError for a file of the folder that is not sent, since an ignore file names it or
    one of the folders that it is in, or since one of those never is."""
    file = Path(os.path.normpath(folder / word))
    if not (file.is_relative_to(folder) and file.is_file()):
        return
    specs, entry = _specs_above(folder), folder
    for part in file.relative_to(folder).parts:
        if entry.is_symlink() and entry != folder:
            return  # the link is sent
        specs, entry = [*specs, *_specs_of(entry)], entry / part
        is_folder = entry.is_dir() and not entry.is_symlink()
        base = _ignored_by(entry, specs, is_folder=is_folder)
        if base is not None:
            base = base if base.is_relative_to(folder) else folder
            named = f"{entry.relative_to(base).as_posix()}{'/' if is_folder else ''}"
            raise UserError(
                f"{where}: {file}: is not sent to the cluster, since {' or '.join(IGNORE_FILES)} "
                f"names {'it' if entry == file else f'{entry}/'}; add `!/{named}` to "
                f"{base / '.raysweepignore'}"
            )
        never = entry.name in _NEVER or (is_folder and _is_no_input(entry, folder, storage))
        if never and where == "sweep.command":
            return  # a Python of an environment: other nodes may have it, too
        if never:
            raise UserError(
                f"{where}: {file}: is not sent to the cluster, since {entry} has an environment, a "
                "cache, or what W&B or sweeps keep; move the file to another folder"
            )


def pack(config: Config, file: Written) -> None:
    """Write the program's folder as a tar archive. Links stay links, and files keep their
    permissions and times. Raises a UserError for what cannot be read, and an OSError where `file`
    cannot be written."""
    folder, storage = users_folder(config).absolute(), Path(config.storage).expanduser()
    with tarfile.open(mode="w|", fileobj=_whole(file), bufsize=2**20) as archive:
        found = entries(folder, storage)
        while True:
            with _readable(folder):
                path = next(found, None)
                if path is None:
                    break
                info = archive.gettarinfo(path, arcname=path.relative_to(folder).as_posix())
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            if info.issym():
                info.linkname = _inside(path, info.linkname, folder)
            if info.isdir():
                info.mode |= 0o700  # else it could be neither filled nor removed there
            if info.isreg():
                with _Content(path, folder) as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)


class _Content(AbstractContextManager["_Content"]):
    """A file that is packed. Raises a UserError where it cannot be read to its end, so that an
    OSError is the archive's."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._folder = folder
        self._path = path
        with _readable(folder):
            self._file = path.open("rb")

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes."""
        with _readable(self._folder):
            data = self._file.read(size)
            if len(data) < size:
                raise OSError(None, "became shorter meanwhile", str(self._path))
            return data

    def __exit__(self, *_: object) -> None:
        self._file.close()


def unpack(file: IO[bytes], folder: Path) -> None:
    """Make `folder` with the content of an archive that `pack` wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(mode="r|", fileobj=file) as archive:
        # Everything as it was packed: Python's own filters refuse links out of the folder.
        archive.extraction_filter = lambda member, path: member
        archive.extractall(folder)


def _inside(link: Path, target: str, folder: Path) -> str:
    """Return a link's target; relative, where it is absolute and in the folder, by whatever path
    each of them is reached."""
    if not Path(target).is_absolute():
        return target
    parent, name = os.path.split(os.path.normpath(target))
    for path in (Path(parent, name), Path(os.path.realpath(parent), name)):
        for top in (folder, Path(os.path.realpath(folder))):
            if path.is_relative_to(top):
                return os.path.relpath(folder / path.relative_to(top), link.parent)
    return target


def _whole(file: Written) -> IO[bytes]:
    return file  # type: ignore[return-value]  # of a stream tarfile asks for `write` alone


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Tell in one line what of the folder cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"program.directory: {error.filename or folder}: cannot be sent to the cluster "
            f"({error.strerror or error}); name it in {folder / '.raysweepignore'}"
        ) from error


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as packed:
        unpack(packed, Path(sys.argv[2]))
