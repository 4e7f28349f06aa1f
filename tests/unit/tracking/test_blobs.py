from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from raysweep.tracking.blobs import Blobs

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
    under_way = hashlib.sha256(b"more").hexdigest()
    blobs.stage_chunk(under_way, 0, b"mo")
    blobs.drop_abandoned()
    assert not abandoned.exists()
    assert blobs.read(digest, 0, 5) == b"whole"
    blobs.stage_chunk(under_way, 2, b"re")
    blobs.stage_commit(under_way)
    assert blobs.path(under_way).exists()
