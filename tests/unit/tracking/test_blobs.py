from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysweep.errors import TrackingError
from raysweep.tracking import blobs as blobs_module
from raysweep.tracking.blobs import Blobs, sha256_of

STAGE = """
import sys
from pathlib import Path
from raysweep.tracking.blobs import Blobs

Blobs(Path(sys.argv[1])).stage_file(Path(sys.argv[2]))
"""


def killed_while_staging(folder: Path, source: Path) -> Path:
    """A process dies while it copies the pipe `source`, whose end never comes; what it leaves."""
    os.mkfifo(source)
    pipe = os.open(source, os.O_RDWR)  # for reading, too: it waits for nobody
    command = [sys.executable, "-c", STAGE, str(folder), str(source)]
    try:
        with subprocess.Popen(command) as process:
            while not (partials := list(folder.glob(".partial.*"))):
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
    finally:
        os.close(pipe)
    return partials[0]


def test_what_a_killed_process_staged_is_removed_a_day_later(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    abandoned = killed_while_staging(tmp_path / "blobs", tmp_path / "model")
    blobs.drop_abandoned()
    assert abandoned.exists(), "it may still be written to"
    long_ago = time.time() - 24 * 3600 - 1
    os.utime(abandoned, (long_ago, long_ago))
    digest, _ = blobs.stage_bytes(b"whole")
    os.utime(blobs.path(digest), (long_ago, long_ago))
    under_way, upload = hashlib.sha256(b"more").hexdigest(), "5ca1ab1e"
    blobs.stage_chunk(upload, 0, b"mo")
    blobs.drop_abandoned()
    assert not abandoned.exists()
    assert blobs.read(digest, 0, 5) == b"whole"
    blobs.stage_chunk(upload, 2, b"re")
    blobs.stage_commit(upload, under_way)
    assert blobs.path(under_way).exists()


UPLOAD = "5ca1ab1e"


def test_an_upload_is_hashed_as_it_comes_and_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Except by a process that has not seen its beginning, as a writer that was started again."""
    reads: list[Path] = []

    def reading(path: Path) -> tuple[str, int]:
        reads.append(path)
        return sha256_of(path)

    monkeypatch.setattr(blobs_module, "sha256_of", reading)
    digest = hashlib.sha256(b"abcdef").hexdigest()
    first = Blobs(tmp_path / "first")
    for offset in (0, 2, 2, 0, 4):  # some twice: the answer was lost
        first.stage_chunk(UPLOAD, offset, b"abcdef"[offset : offset + 2])
    first.stage_commit(UPLOAD, digest)
    assert reads == []
    for order in ((0, 2, 4), (2, 0, 4), (0, 4, 2)):
        folder = tmp_path / "-".join(map(str, order))
        Blobs(folder).stage_chunk(UPLOAD, order[0], b"abcdef"[order[0] : order[0] + 2])
        again = Blobs(folder)
        for offset in order[1:]:
            again.stage_chunk(UPLOAD, offset, b"abcdef"[offset : offset + 2])
        for _ in range(2):  # the answer was lost
            again.stage_commit(UPLOAD, digest)
        assert again.read(digest, 0, 9) == b"abcdef"
    assert len(reads) == 3


def test_an_upload_that_lacks_a_chunk_or_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = hashlib.sha256(b"abcdef").hexdigest()
    blobs.stage_chunk(UPLOAD, 0, b"ab")
    blobs.stage_chunk(UPLOAD, 4, b"ef")
    with pytest.raises(TrackingError, match="send the file again"):
        blobs.stage_commit(UPLOAD, digest)
    blobs.stage_chunk(UPLOAD, 0, b"abcdef")
    blobs.stage_drop(UPLOAD)
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_file_that_is_moved_in_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"abcdef")
    inode = (tmp_path / "model").stat().st_ino
    digest = hashlib.sha256(b"abcdef").hexdigest()
    blobs = Blobs(tmp_path / "blobs")
    blobs.take_file(tmp_path / "model", digest)
    assert blobs.path(digest).stat().st_ino == inode
    assert blobs.path(digest).stat().st_mode & 0o777 == 0o444
    elsewhere = Path("/dev/shm") / f"raysweep-{os.getpid()}"
    elsewhere.write_bytes(b"of another file system")
    try:
        blobs.take_file(elsewhere, hashlib.sha256(b"of another file system").hexdigest())
    finally:
        elsewhere.unlink()
    assert blobs.read(hashlib.sha256(b"of another file system").hexdigest(), 0, 2) == b"of"
