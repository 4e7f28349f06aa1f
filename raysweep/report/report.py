"""Write the page of one sweep, or of several side by side, from the storage alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raysweep.errors import UserError
from raysweep.report.document import Shown, document
from raysweep.report.evaluation import media_json
from raysweep.report.lineage import lineage_json
from raysweep.report.page import page
from raysweep.report.words import winner
from raysweep.storage.atomic import write_atomically
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import StoredSweep, kept_store
from raysweep.storage.storage import Storage
from raysweep.sweep.view import SweepView, view_of
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.links import REPORT

USUAL_NAME = "report.html"

MOST_LOG_BYTES = 1_000_000
"""Of a sweep at a URI, the end of a larger log is left out: the whole of it would be downloaded."""


def write_report(
    *sweeps: str, storage: str | Path | None = None, output: str | Path | None = None
) -> Path:
    """Write one self-contained HTML page about the named sweeps, or the latest; return its path.

    This is what `raysweep report` calls. `storage` is a folder or a URI (default ./runs). `output`
    is the file to write, which is replaced; by default it is `report.html` in the sweep's folder.
    For several sweeps that is in the current folder, and `report-NAME.html` there for one at a URI.
    A running sweep is shown as far as it has come. The page needs neither a server nor a network.

    Raises UserError for a sweep that does not exist, and where the file cannot be written.
    """
    if storage is None:
        from raysweep.config import Config

        storage = Config().storage
    with read_storage(storage) as place:
        return write_page(place, sweeps, None if output is None else Path(output))


def write_page(storage: Storage, sweeps: Sequence[str], output: Path | None = None) -> Path:
    """Do the same for a storage that is open."""
    names: list[str | None] = [*dict.fromkeys(sweeps)] or [None]
    found = [StoredSweep.find(storage, name) for name in names]
    shown = [_shown(stored) for stored in found]
    path = output or _usual_path(found)
    told = document(shown)
    titles = ", ".join(each.view.sweep for each in shown)
    write(path, page(f"{titles} · raysweep", told["headline"], told))
    return path.absolute()


def log_page(path: Path, sweep: str, storage: Path | str) -> bool:
    """Add the page to the files of the sweep's report run in W&B; False for a sweep that is not
    recorded there. Raises TrackingError where W&B does not take it."""
    with read_storage(storage) as place:
        record = StoredSweep.find(place, sweep).record
    if record.tracker != "wandb":
        return False
    from raysweep.tracking.wandb.tracker import WandbTracker

    tracker = WandbTracker(record.project, record.entity)
    tracker.upload(SweepIdentity(record.name, record.id).run_id(REPORT), path)
    return True


def write(path: Path, text: str) -> None:
    """Write the page, whole or not at all. Raises UserError where it cannot be written."""
    if path.is_dir():
        raise UserError(f"--output {path}: is a folder; name a file, such as {path / USUAL_NAME}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); choose a file with --output"
        ) from error


def _usual_path(found: Sequence[StoredSweep]) -> Path:
    if len(found) > 1:
        return Path.cwd() / USUAL_NAME
    first = found[0]
    if first.storage.is_uri:
        return Path.cwd() / f"report-{first.record.name}.html"
    return first.folder.path / USUAL_NAME


def _shown(stored: StoredSweep) -> Shown:
    if stored.storage.origin is not None:
        stored.storage.origin.logs(stored.record.name, most_bytes=MOST_LOG_BYTES)
    view = view_of(stored)
    place = str(stored.storage.shown_path(stored.folder.path))
    storage, record = stored.storage, stored.record
    if storage.origin is None and not storage.tracker.exists():
        return Shown(view, place)  # recorded in W&B by an earlier raysweep, which kept nothing here
    store = kept_store(record, storage)
    report = SweepIdentity(record.name, record.id).run_id(REPORT)
    if storage.origin is not None:
        storage.origin.media(record.project, [report])
    return Shown(
        view, place, media_json(store, report), lineage_json(store, _model(view), view.sweep)
    )


def _model(view: SweepView) -> str | None:
    """Return the reference of the best model; before there is one, that of the leader's."""
    best, first = view.best or {}, winner(view)
    return best.get("artifact") or (None if first is None else first.artifact)
