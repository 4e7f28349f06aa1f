"""A power cut at any moment: the sweep is resumed from what was synced, with the same result.

SQLite writes the tracker's database itself, unseen by hooks: the copy has the database as of the
last sync of its log.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.errors import Interrupted, UserError
from raysweep.events import Event, TrialUpdated
from raysweep.storage import power
from raysweep.sweep import recovery

from outcomes import outcome
from power import SyncedOnly
from sweeps import HAS_LOCAL_MODE, digits, grid

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]

DRAWN = {"learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}}
GRID = grid(learning_rate=[0.01, 0.03])
BAYES = {"method": "bayes", "run_cap": 3, "parameters": DRAWN}


def config_of(sweep: dict[str, Any], **sections: Any) -> dict[str, Any]:
    tiny = {"hidden_layer_sizes": [2, 4]}
    return digits(sweep, model=tiny, data={"train_size": 200, "root": "/none"}, **sections)


class Cuts:
    """Copies of a storage as a power cut would leave it, one for each distinct state."""

    def __init__(self, storage: Path, folder: Path, journal_ahead: bool) -> None:
        self._storage, self._folder = storage, folder
        self._ahead = journal_ahead
        self._count = 0
        self._seen: set[str] = set()
        self._database: dict[str, bytes] = {}
        self.disk = SyncedOnly(storage)
        self.all: list[Path] = []

    def take(self) -> None:
        """Copy what a power cut would leave now."""
        self._note_database()
        self._count += 1
        cut = self._folder / f"cut-{self._count}"
        self.disk.left(cut, also=lambda path: self._ahead and path.name == "journal.jsonl")
        tracker = cut / "tracker"
        tracker.mkdir(exist_ok=True)
        for path in tracker.glob("*.db*"):
            path.unlink()
        for name, data in self._database.items():
            (tracker / name).write_bytes(data)
        digest = _digest(cut)
        if digest in self._seen or not (cut / "mine" / "sweep.json").exists():
            shutil.rmtree(cut)
        else:
            self._seen.add(digest)
            self.all.append(cut)

    def _note_database(self) -> None:
        logs = list((self._storage / "tracker").glob("*.db-wal"))
        if logs and self.disk.synced == logs[0]:
            for path in (self._storage / "tracker").glob("*.db*"):
                if path.suffix != ".db-shm":
                    self._database[path.name] = path.read_bytes()


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = (
        f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


@pytest.fixture
def cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """cuts(config, journal_ahead=…): run the sweep `mine`, and take a copy at each change."""
    monkeypatch.setattr(power, "PAUSE_S", 0)

    def take(config: dict[str, Any], journal_ahead: bool) -> list[Path]:
        storage = tmp_path / "whole"
        storage.mkdir()
        taken = Cuts(storage, tmp_path, journal_ahead)
        with taken.disk.watched(taken.take):
            run_sweep(config, name="mine", storage=storage)
        monkeypatch.setattr(recovery, "boot", lambda: "another")
        return taken.all

    return take


@pytest.mark.parametrize(
    ("sweep", "journal_ahead"),
    [(GRID, False), (GRID, True), (BAYES, True)],
    ids=["synced only", "the journal ahead", "bayes, the journal ahead"],
)
def test_it_has_the_same_result(
    sweep: dict[str, Any],
    journal_ahead: bool,
    cuts: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    found = cuts(config_of(sweep), journal_ahead)
    assert len(found) > 8, "how many depends on how many syncs were one"
    expected = outcome(tmp_path / "whole", "mine")
    resumed = 0
    for cut in found:
        try:
            resume_sweep(storage=cut)
        except UserError as error:
            ended = (cut / "mine" / "result.json").exists()
            assert ("has ended" if ended else "stopped before it had started") in str(error)
            if not ended:
                continue
        assert outcome(cut, "mine") == expected, cut
        resumed += 1
    assert resumed > 5


POPULATION = {"method": "random", "run_cap": 3, "parameters": DRAWN, "pbt": {"interval": 1}}


def test_a_population_is_resumed(cuts: Callable[..., list[Path]], tmp_path: Path) -> None:
    """A trial whose parent's checkpoint is lost may fail, with a cause; the sweep continues."""
    found = cuts(config_of(POPULATION), True)
    for cut in found[len(found) // 2 :: 4]:
        if (cut / "mine" / "result.json").exists():
            continue
        result = resume_sweep(storage=cut)
        assert result.trials.completed >= 1
        assert all(row.error for row in result.rows if row.state == "failed")


def test_a_file_that_a_stage_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's name was on the disk, its bytes were not: in a resumed sweep, and in the next."""
    config = config_of(GRID)
    run_sweep(config, name="whole", storage=tmp_path / "whole")
    storage = tmp_path / "runs"
    with pytest.raises(Interrupted):
        run_sweep(config, name="whole", storage=storage, observer=at_the_second_trial)
    for blob in storage.glob("tracker/artifacts/*/blobs/sha256/*/*"):
        blob.chmod(0o644)
        blob.write_bytes(b"")
    monkeypatch.setattr(recovery, "boot", lambda: "another")
    resume_sweep(storage=storage)
    assert outcome(storage, "whole") == outcome(tmp_path / "whole", "whole")
    for blob in storage.glob("tracker/artifacts/*/blobs/sha256/*/*"):
        blob.chmod(0o644)
        blob.write_bytes(b"")
    again = run_sweep(config, name="next", storage=storage)
    assert again.artifacts == {"digits-raw": "v0", "digits-preprocess": "v0", "convnet": "v0"}


def at_the_second_trial(event: Event) -> None:
    """Press Ctrl-C after its first epoch."""
    if isinstance(event, TrialUpdated) and (event.index, event.epoch) == (1, 1):
        raise KeyboardInterrupt
