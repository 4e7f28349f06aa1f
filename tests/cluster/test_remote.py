"""`remote`, with real processes: waits that end, and a writer that stays small."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from raysweep.cluster import signals
from raysweep.cluster.in_flight import IN_FLIGHT, InFlight
from raysweep.cluster.remote import as_task, get, wait_for
from raysweep.cluster.remote_checkpoints import RemoteCheckpoints
from raysweep.cluster.remote_store import RemoteStore
from raysweep.cluster.writer import Writer
from raysweep.errors import TrackingError
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.blobs import CHUNK_BYTES
from raysweep.tracking.store import Row
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.upload import upload

from lost_interrupt import dropped, lose_an_interrupt


def test_a_wait_gives_the_answer_or_the_tasks_own_error(two_cpus_of_a_cluster: None) -> None:
    def nap() -> str:  # not at the module's level: a worker could not import it from there
        time.sleep(1.5)
        return "rested"

    def fail() -> None:
        raise TrackingError("its own words")

    assert wait_for(as_task(nap).remote()) == "rested"
    with pytest.raises(TrackingError, match="its own words"):
        wait_for(as_task(fail, max_retries=0).remote())


@dropped
def test_a_lost_interrupt_ends_the_wait(two_cpus_of_a_cluster: None) -> None:
    began = time.monotonic()
    with signals.watched():
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            wait_for(as_task(lambda: time.sleep(30)).remote())
    assert time.monotonic() - began < 10


def test_the_writer_never_imports_torch(two_cpus_of_a_cluster: None, tmp_path: Path) -> None:
    """It took 2 s and 600 MB: `torch.__version__`, in a model's metadata, is of a torch class."""
    (tmp_path / "a.bin").write_bytes(b"weights")
    store = RemoteStore.start(tmp_path / "store", "p", tmp_path / "checkpoints")
    run = TrackioTracker(store).start_run(RunSpec("r", "r", "train", "g", {}))
    metadata = {"torch": torch.__version__}
    files = {"a.bin": tmp_path / "a.bin"}
    logged = run.log_artifact(ArtifactDraft("m", "model", "a model", metadata, files))
    run.summarize({"torch": torch.__version__})
    run.finish()
    assert logged.metadata == {"torch": str(torch.__version__)}
    imported = get(store._actor.__ray_call__.remote(lambda _: set(sys.modules)))
    assert "trackio" in imported
    assert "torch" not in imported


def test_a_restarted_writer_gets_a_runs_calls_in_order(
    two_cpus_of_a_cluster: None, tmp_path: Path
) -> None:
    """A use of an artifact overtook its run's start, which Ray retried: `no such run`."""
    store = RemoteStore.start(tmp_path / "store", "p", tmp_path / "checkpoints")
    data = _logged(store, tmp_path)
    for number in range(4):
        writer = get(store._actor.__ray_call__.remote(lambda _: os.getpid()))
        run = TrackioTracker(store).start_run(RunSpec(f"r{number}", "r", "train", "g", {}))
        run.log({"loss": 0.5}, step=1)
        os.kill(writer, signal.SIGKILL)
        run.log({"loss": 0.25}, step=2)
        assert run.use_artifact(data).ref == data
        run.summarize({"loss": 0.25})
        run.finish()
        (record,) = store.runs(run_id=f"r{number}")
        assert (record.state, record.used) == ("finished", (data,))
        assert [row["loss"] for row in store.history(record.id)] == [0.5, 0.25]


def _logged(store: RemoteStore, folder: Path) -> str:
    (folder / "a.bin").write_bytes(b"pictures")
    run = TrackioTracker(store).start_run(RunSpec("stage", "stage", "data", "g", {}))
    draft = ArtifactDraft("d", "dataset", "pictures", {}, {"a.bin": folder / "a.bin"})
    ref = run.log_artifact(draft).ref
    run.finish()
    return ref


def test_calls_after_an_error_are_made_before_it_is_raised(tmp_path: Path) -> None:
    """A run's end is recorded although its last rows, in the same batch, were invalid."""
    writer = Writer(tmp_path / "store", "p", tmp_path / "checkpoints")
    writer.start_run(RunSpec("r", "r", "train", "g", {}))
    rows = ("log_rows", ("another", [Row("row", 1, {"loss": 0.5})]))
    end = ("update_run", ("r", {"loss": 0.5}, "failed", "its own words"))
    with pytest.raises(TrackingError, match="no such run"):
        writer.run_batch([rows, end])
    (record,) = writer.runs(run_id="r")
    assert (record.state, record.error) == ("failed", "its own words")


def test_a_large_checkpoint_is_sent_in_chunks_between_other_calls(
    two_cpus_of_a_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a node that cannot write into the folder."""
    (tmp_path / "checkpoints").mkdir()
    store = RemoteStore.start(tmp_path / "store", "p", tmp_path / "checkpoints")
    monkeypatch.setattr(RemoteStore, "shares_files", False)
    sent: list[int] = []
    waiting: list[int] = []
    send = InFlight.send

    def sending(self: InFlight, method: str, *arguments: Any) -> None:
        sent.append(len(arguments[-1]))
        send(self, method, *arguments)
        waiting.append(len(self._refs))

    monkeypatch.setattr(InFlight, "send", sending)
    checkpoints = RemoteCheckpoints(store, tmp_path / "checkpoints")
    data = os.urandom(5 * CHUNK_BYTES + 5)
    checkpoints.keep("trial-0000", 1, b"one")
    sent.clear()
    checkpoints.keep("trial-0000", 2, memoryview(data))
    assert sent == [*[CHUNK_BYTES] * 5, 5]
    assert max(waiting) == IN_FLIGHT
    assert list(checkpoints.usable("trial-0000")) == [data, b"one"]
    (path,) = (tmp_path / "checkpoints").glob("trial-0000-e0002-*")
    path.write_bytes(data[:-1])
    assert list(checkpoints.usable("trial-0000")) == [b"one"], "not the one that is damaged"
    checkpoints.forget("trial-0000")
    assert list(checkpoints.usable("trial-0000")) == []


def test_a_large_artifact_survives_its_writer_and_leaves_rows_their_way(
    two_cpus_of_a_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a node that cannot write into the folder. The writer dies in the middle; rows that
    are logged meanwhile do not wait for the bytes."""
    store = RemoteStore.start(tmp_path / "store", "p", tmp_path / "checkpoints")
    monkeypatch.setattr(RemoteStore, "shares_files", False)
    tracker = TrackioTracker(store)
    run = tracker.start_run(RunSpec("r", "r", "train", "g", {}))
    store.flush()
    data = os.urandom(6 * CHUNK_BYTES + 5)
    killed = 0
    with upload(store) as sent:
        for number in range(7):
            sent.write(data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
            run.log({"loss": 0.5}, step=number)
            if number == 3:
                killed = get(store._actor.__ray_call__.remote(lambda _: os.getpid()))
                os.kill(killed, signal.SIGKILL)
        digest, size = sent.commit()
    assert (digest, size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert b"".join(store.blob_chunks(digest)) == data
    assert get(store._actor.__ray_call__.remote(lambda _: os.getpid())) != killed
    assert len(store.history("r")) == 7

    with pytest.raises(OSError, match="unplugged"), upload(store) as cut_short:
        cut_short.write(data[:CHUNK_BYTES])
        raise OSError("the sender's disk was unplugged")
    store.stage_chunk("ab" * 16, 0, b"other bytes")
    with pytest.raises(TrackingError, match="send the file again"):
        store.stage_commit("ab" * 16, digest)
    assert not list((tmp_path / "store").rglob(".partial.*"))
    store.stop()
