from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from raysweep.pipeline.cluster.keeper import Keeper
from raysweep.tracking.blobs import Blobs, blobs_folder

STAGE = """
import sys
from pathlib import Path
from raysweep.tracking.blobs import Blobs

Blobs(Path(sys.argv[1])).stage_file(Path(sys.argv[2]))
"""


def killed_while_staging(folder: Path, source: Path) -> Path:
    """A process dies while it copies the pipe `source`, whose end never comes; what it leaves."""
    os.mkfifo(source)
    process = subprocess.Popen([sys.executable, "-c", STAGE, str(folder), str(source)])
    with source.open("wb"):
        while not (partials := list(folder.glob(".partial.*"))):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    return partials[0]


def test_what_a_killed_process_staged_is_removed_by_a_later_sweep(tmp_path: Path) -> None:
    folder = blobs_folder(tmp_path, "p")
    abandoned = killed_while_staging(folder, tmp_path / "model")
    Keeper(tmp_path, "p", tmp_path / "checkpoints")
    assert abandoned.exists(), "it may still be written to"
    an_hour_ago = time.time() - 3_601
    os.utime(abandoned, (an_hour_ago, an_hour_ago))
    blobs = Blobs(folder)
    digest, _ = blobs.stage_bytes(b"whole")
    os.utime(blobs.path(digest), (an_hour_ago, an_hour_ago))
    under_way = hashlib.sha256(b"more").hexdigest()
    blobs.stage_chunk(under_way, 0, b"mo")
    Keeper(tmp_path, "p", tmp_path / "checkpoints")
    assert not abandoned.exists()
    assert blobs.read(digest, 0, 5) == b"whole"
    blobs.stage_chunk(under_way, 2, b"re")
    blobs.stage_commit(under_way)
    assert blobs.path(under_way).exists()
