"""The trackers that the contract suite tests. To test another one, add a line to BACKENDS."""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

import pytest
from store_process import StoreManager

from raysweep.tracking import ArtifactDraft, Run, RunSpec, Tracker, choose
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

import wandb_server
from sweeps import HAS_LOCAL_MODE

PROJECT = "artifacts-example"
REAL_SETTINGS = {  # as they are before any test: each runs without them
    name: value
    for name, value in os.environ.items()
    if name.startswith("WANDB_") or name == "NETRC"
}


@contextmanager
def trackio(root: Path) -> Iterator[Tracker]:
    """The store in this process."""
    yield TrackioTracker(TrackioStore(root, PROJECT))


@contextmanager
def trackio_process(root: Path) -> Iterator[Tracker]:
    """The store in another process, and files sent to it as bytes."""
    proxy = _store_process().TrackioStore(root, PROJECT)  # type: ignore[attr-defined]
    yield TrackioTracker(ForwardingStore(proxy))


@contextmanager
def trackio_actor(root: Path) -> Iterator[Tracker]:
    """The store as a sweep uses it: behind a Ray actor, here in Ray's local mode."""
    if not HAS_LOCAL_MODE:
        pytest.skip("this Ray has no local mode; tests/cluster has the actor in its own process")
    yield TrackioTracker(_ray_in_this_process().start(root, PROJECT, root.with_name("checkpoints")))


@contextmanager
def wandb(root: Path) -> Iterator[Tracker]:
    """The unmodified client against the server of the tests, in a project of the test's own."""
    from raysweep.tracking.wandb.tracker import WandbTracker

    with wandb_server.lent():
        yield WandbTracker(f"contract-{uuid.uuid4().hex[:8]}")


@contextmanager
def mirrored(root: Path) -> Iterator[Tracker]:
    """W&B as a sweep uses it: each call is recorded in the embedded store, and sent."""
    from raysweep.tracking.mirror.tracker import MirroredTracker

    with wandb(root) as there, trackio(root) as here:
        tracker = MirroredTracker(here, there)
        yield tracker
        assert tracker.connection.lost is None


@contextmanager
def wandb_real(root: Path) -> Iterator[Tracker]:
    """A real W&B server, in a project of the test's own, with the key that the tests began with."""
    from raysweep.tracking.wandb.tracker import WandbTracker

    wandb_server.end()  # the client of this process keeps the server that it began with
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NETRC", raising=False)
        for name, value in REAL_SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("WANDB_DIR", str(root.parent))
        assert choose("auto").backend == "wandb", "RAYSWEEP_TEST_WANDB=1 needs a W&B key"
        yield WandbTracker(f"raysweep-contract-{uuid.uuid4().hex[:8]}")


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Tracker]]] = {
    "trackio": trackio,
    "trackio-process": trackio_process,
    "trackio-actor": trackio_actor,
    "wandb": wandb,
    "mirrored": mirrored,
} | ({"wandb-real": wandb_real} if os.environ.get("RAYSWEEP_TEST_WANDB") == "1" else {})
"""Functions that open an empty tracker in a folder that does not exist yet."""


class ForwardingStore:
    """A Store in another process: calls go through a pipe, as they would through a Ray actor."""

    project = PROJECT
    shares_files = False

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proxy, name)


@cache
def _store_process() -> BaseManager:
    """One process for the whole session: starting it imports Trackio, which takes a second."""
    manager = StoreManager(ctx=multiprocessing.get_context("spawn"))
    manager.start()
    return manager


@cache
def _ray_in_this_process() -> Any:
    import ray

    from raysweep.cluster import quiet
    from raysweep.cluster.faststart import lean
    from raysweep.cluster.faststart.probe import usable
    from raysweep.cluster.remote_store import RemoteStore

    quiet.apply_settings()
    with quiet.silenced(verbose=False), lean.patched(usable()):
        # "local": without it, Ray would join whatever cluster this machine last ran.
        ray.init("local", local_mode=True, include_dashboard=False, log_to_driver=False)
    return RemoteStore


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Shut down the Ray that these modules share, before a test elsewhere starts its own."""
    if nextitem is not None and nextitem.path.parent == item.path.parent:
        return
    if _ray_in_this_process.cache_info().currsize:
        import ray

        ray.shutdown()
        _ray_in_this_process.cache_clear()
    wandb_server.end()
    if _store_process.cache_info().currsize:
        _store_process().shutdown()  # type: ignore[attr-defined]
        _store_process.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for a store, with a name that is awkward to shells, URLs and SQL."""
    return tmp_path / 'it\'s a "store" of 100%'


@pytest.fixture(params=BACKENDS)
def tracker(request: pytest.FixtureRequest, root: Path) -> Iterator[Tracker]:
    """An empty tracker of each kind."""
    with BACKENDS[request.param](root) as made:
        yield made
        made.close()


@pytest.fixture
def store(root: Path) -> TrackioStore:
    """The embedded store itself, in this process."""
    return TrackioStore(root, PROJECT)


@pytest.fixture
def start(tracker: Tracker) -> Callable[..., Run]:
    """Start a run: `start("id")`, and any field of RunSpec by name."""

    def start_run(run_id: str, after: int | None = None, **fields: Any) -> Run:
        spec = {"name": run_id, "job_type": "train", "group": "sweep", **fields}
        return tracker.start_run(RunSpec(id=run_id, **spec), after)

    return start_run


@pytest.fixture
def draft(tmp_path: Path) -> Callable[..., ArtifactDraft]:
    """Draft an artifact: `draft("name", {"file": b"bytes"}, {"metadata": 1})`."""
    sources = tmp_path / "sources"

    def make(
        name: str = "mnist-raw",
        files: Mapping[str, bytes] | None = None,
        metadata: Mapping[str, Any] | None = None,
        type: str = "dataset",
    ) -> ArtifactDraft:
        folder = sources / uuid.uuid4().hex
        folder.mkdir(parents=True)
        paths = {}
        for number, (path, data) in enumerate((files or {"training.pt": b"bytes"}).items()):
            paths[path] = folder / str(number)
            paths[path].write_bytes(data)
        return ArtifactDraft(name, type, "Raw MNIST dataset", metadata or {}, paths)

    return make
