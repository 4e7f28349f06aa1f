"""A project: its runs and artifacts in the store, and what its programs have said since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from raysweep.errors import TrackingError
from raysweep.tracking.endpoint import filters as run_filters
from raysweep.tracking.endpoint.artifacts import (
    CollectionView,
    MembershipView,
    TypeView,
    VersionView,
    collections,
    find,
    find_by_id,
    find_collection,
)
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import LiveRun
from raysweep.tracking.endpoint.paging import Connection, opaque, page
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.endpoint.run import RunView
from raysweep.tracking.endpoint.sweep_view import SweepView
from raysweep.tracking.endpoint.sweeps import Sweeps
from raysweep.tracking.endpoint.uploads import Uploads, blob_chunks, hex_md5
from raysweep.tracking.names import check_run_id
from raysweep.tracking.port import RunRecord, RunSpec
from raysweep.tracking.store import Resolves, Store

ENTITY = "raysweep"
"""The entity that every client is told it belongs to."""


@dataclass(frozen=True)
class EntityView:
    """The one entity."""

    name: str = ENTITY

    graphql_type = "Entity"
    xxhash_digests_enabled = False
    organization = None
    is_team = False

    @property
    def id(self) -> str:
        return opaque("entity", self.name)


@dataclass(frozen=True)
class UserView:
    """The one user, who holds the endpoint's key."""

    username: str = ENTITY

    graphql_type = "User"
    admin, flags, deleted_at, photo_url = False, "{}", None, None
    email = f"{ENTITY}@localhost"

    @property
    def id(self) -> str:
        return opaque("user", self.username)

    @property
    def name(self) -> str:
        return self.username

    @property
    def entity(self) -> str:
        return self.username

    @property
    def default_entity(self) -> EntityView:
        return EntityView(self.username)

    @property
    def api_keys(self) -> Connection:
        return page([])

    @property
    def teams(self) -> Connection:
        return page([EntityView(self.username)])


class Project:
    """A project over its store. `live`: the runs whose programs talk to this endpoint;
    `kept_sweeps`: its sweeps, where they are served; `elsewhere` finds those of other projects."""

    graphql_type = "Project"
    read_only = is_benchmark = is_published = False
    created_at = "1970-01-01T00:00:00Z"
    owner = UserView()
    description = None

    def __init__(self, name: str, store: Store, uploads: Uploads) -> None:
        self.name = name
        self.store = store
        self.live: dict[str, LiveRun] = {}
        self.kept_sweeps: Sweeps | None = None
        self.elsewhere: Callable[[str], SweepView | None] = lambda _: None
        self._ids: dict[str, str] = {}
        self._resumed: set[str] = set()
        self.asked: dict[str, str] = {}
        """What programs have asked for, `name:alias` → the version that it was, `name:vK`."""
        self.place = Place(name, store, uploads, self, self.run)

    @property
    def id(self) -> str:
        return opaque("project", self.name)

    @property
    def internal_id(self) -> str:
        return opaque("project-internal", self.name)

    @property
    def entity(self) -> EntityView:
        return EntityView()

    @property
    def entity_name(self) -> str:
        return ENTITY

    @property
    def user(self) -> UserView:
        return self.owner

    # ---- runs ----

    def run(self, name: str) -> RunView | None:
        """Return the run of that id."""
        found = self.store.runs(run_id=self.id_of(name))
        return next((self._view(record) for record in found), None)

    def run_called(self, name: str | None, run: LiveRun) -> RunView:
        """Return the run as its program has it: by another id it would not know it."""
        (record,) = self.store.runs(run_id=run.spec.id)
        named = name or next((each for each, id in self._ids.items() if id == record.id), None)
        return replace(self._view(record), called=named)

    def bucket(self, name: str, missing_ok: bool | None = None) -> RunView | None:
        """Return the run of that id, which the client asks for before it resumes it."""
        self._resumed.add(name)
        return self.run(name)

    def id_of(self, name: str) -> str:
        """Return the id under which the store has the run that its program calls `name`."""
        return self._ids.get(name, name)

    def begin(self, name: str) -> tuple[LiveRun, bool]:
        """Return the run that a program begins under this name, and whether it is new. A process
        whose environment names a run gives that name to each run that it begins: when the first has
        ended, the others are runs of their own, unless the program resumes the first."""
        live = self.live.get(self.id_of(name))
        if live is not None and live.state != "running" and name not in self._resumed:
            self._ids[name] = next(id for n in count(2) if (id := f"{name}-{n}") not in self.live)
        return self._opened(self.id_of(name), fixed=False)

    def begin_as(self, name: str, id: str) -> tuple[LiveRun, bool]:
        """Return the run of a sweep's trial, which its program calls `name`."""
        self._ids[name] = id
        return self._opened(id, fixed=True)

    def known(self, name: str) -> LiveRun:
        """Return a run that its program speaks of by its name, after it has begun."""
        return self.with_id(self.id_of(name))

    def with_id(self, id: str) -> LiveRun:
        """Return the run that the store has under this id."""
        return self.live[id] if id in self.live else self._opened(id, fixed=False)[0]

    def _opened(self, id: str, *, fixed: bool) -> tuple[LiveRun, bool]:
        if id in self.live:
            run = self.live[id]
            if run.state != "running":
                run.state, run.exit_code = "running", None
                self.store.start_run(run.spec)
            return run, False
        record = next(iter(self.store.runs(run_id=id)), None)
        own = {"exec": True} if self.kept_sweeps is not None else {}
        spec = _spec_of(record) if record else RunSpec(check_run_id(id), id, "", "", attributes=own)
        run = LiveRun(self.store, spec, fixed)
        if record is None or record.state != "running":
            self.store.start_run(spec)
        if record is not None:
            run.summary = dict(record.summary)
        self.live[id] = run
        return run, record is None

    def run_count(self, filters: str | None = None) -> int:
        """Count the runs that the filter takes."""
        return len(self._filtered(filters))

    def runs(
        self,
        filters: str | None = None,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
    ) -> Connection:
        """Return the runs that the filter takes, by time of creation unless `order` says else."""
        found = self._filtered(filters)
        key = (order or "+created_at").lstrip("+-")
        if key.startswith(("summary_metrics.", "config.")):
            section, _, name = key.partition(".")
            found.sort(key=lambda run: _sortable(_section(run, section).get(name)))
        if (order or "").startswith("-"):
            found.reverse()
        return page(found, first, after)

    def _filtered(self, filters: str | None) -> list[RunView]:
        wanted = run_filters.parsed(filters)
        views = map(self._view, self.store.runs())
        return [run for run in views if run_filters.matches(run, wanted)]

    def _view(self, record: RunRecord) -> RunView:
        return RunView(self.place, record, self.live.get(record.id))

    # ---- sweeps ----

    def sweep(self, sweep_name: str) -> SweepView | None:
        """Return the sweep of that id."""
        found = self.kept_sweeps and self.kept_sweeps.find(sweep_name)
        return SweepView(found, self) if found else self.elsewhere(sweep_name)

    @property
    def total_sweeps(self) -> int:
        return len(self.kept_sweeps.all()) if self.kept_sweeps else 0

    def sweeps(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return the sweeps, the oldest first."""
        found = self.kept_sweeps.all() if self.kept_sweeps else []
        return page([SweepView(sweep, self) for sweep in found], first, after)

    # ---- artifacts ----

    def file_chunks(self, collection: str, birth: str, md5: str) -> Iterator[bytes]:
        """Return the bytes with this MD5, in hex, of a version of the collection. `birth`: the id
        of the version that brought them, which may be empty. Raises Refusal (404)."""
        known = find_by_id(self.place, birth)
        versions = [known.version] if known else self.store.versions(collection)[::-1]
        for version in versions:
            for file in version.files:
                if hex_md5(self.place.md5(file.digest)) == md5:
                    return blob_chunks(self.store, file.digest)
        raise Refusal(f"{collection} has no such file", status=404)

    def artifact_collection(self, name: str) -> CollectionView | None:
        """Return the collection of that name."""
        return find_collection(self.place, name)

    def artifact_collections(
        self, after: str | None = None, first: int | None = None
    ) -> Connection:
        """Return all collections."""
        return page(collections(self.place), first, after)

    def artifact_collection_membership(self, name: str) -> MembershipView | None:
        """Return `collection:alias` or `collection:vK`."""
        found = self.artifact(name)
        return MembershipView(found) if found else None

    def artifact(self, name: str) -> VersionView | None:
        """Return `collection:alias` or `collection:vK`."""
        ref = name
        if isinstance(self.store, Resolves):
            with suppress(TrackingError):
                ref = self.store.meant(name)
        found = find(self.place, ref)
        if found is not None:
            self.asked[name] = found.version.ref
        return found

    def artifact_type(self, name: str) -> TypeView | None:
        """Return the type of that name, if anything is of it."""
        return TypeView(self.place, name) if collections(self.place, name) else None

    def artifact_types(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return all types that have an artifact."""
        types = sorted({collection.type_name for collection in collections(self.place)})
        return page([TypeView(self.place, name) for name in types], first, after)


def _spec_of(record: RunRecord) -> RunSpec:
    return RunSpec(
        id=record.id,
        name=record.name,
        job_type=record.job_type,
        group=record.group,
        config=record.config,
        tags=record.tags,
        attributes=record.attributes,
    )


def _section(run: RunView, section: str) -> Any:
    return run.record.config if section == "config" else run.record.summary


def _sortable(value: Any) -> tuple[int, Any]:
    """Order numbers before texts before what is missing."""
    if isinstance(value, (int, float)):
        return (0, value)
    return (1, value) if isinstance(value, str) else (2, "")
