"""Artifacts in a Trackio database: SQL statements on a connection that the caller passes.

Writes use Trackio's own statements, with two changes: a version that is logged again stays
unchanged (Trackio would overwrite its metadata), and an alias can move to an older version.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trackio import cas
from trackio.sqlite_storage import SQLiteStorage
from trackio.typehints import Manifest, Sha256Digest

from raysweep.errors import ArtifactNotFound
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import DROPPED, ArtifactFile, ArtifactVersion, Json
from raysweep.tracking.trackio.notes import first_number

Found = Mapping[str, Any]
"""A version as Trackio's `_get_artifact_manifest_cursor` reads it."""


def find(db: sqlite3.Connection, ref: str) -> Found:
    """Find the version that the reference names. Raises ArtifactNotFound, with the known names."""
    reference = parse_reference(ref)
    name, spec = reference.name, reference.spec
    found: Found | None = SQLiteStorage._get_artifact_manifest_cursor(db, name, spec)
    if found is not None:
        return found
    versions, first, last = db.execute(
        "SELECT COUNT(*), MIN(v.version), MAX(v.version) FROM artifact_versions v "
        "JOIN artifacts a ON a.id = v.artifact_id WHERE a.name = ?",
        (name,),
    ).fetchone()
    if versions:
        raise ArtifactNotFound(
            f"artifact {ref!r}: {name} has {versions} versions, v{first} to v{last}, "
            f"and none of them is {spec}{_nearest_alias(db, name, spec)}"
        )
    names = [row["name"] for row in db.execute("SELECT name FROM artifacts ORDER BY name")]
    raise ArtifactNotFound(
        f"artifact {ref!r}: no artifact {name!r}; there is {', '.join(names) or 'none yet'}"
    )


def _nearest_alias(db: sqlite3.Connection, name: str, spec: str) -> str:
    """`; did you mean best?` where an alias of the artifact is like `spec`."""
    import difflib  # 5 ms, which no right reference pays

    rows = db.execute(
        "SELECT l.alias FROM artifact_aliases l "
        "JOIN artifact_versions v ON v.id = l.artifact_version_id "
        "JOIN artifacts a ON a.id = v.artifact_id WHERE a.name = ?",
        (name,),
    )
    close = difflib.get_close_matches(spec, [row["alias"] for row in rows], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def version(found: Found) -> ArtifactVersion:
    """Convert to the port's ArtifactVersion."""
    metadata = dict(found["metadata"] or {})
    dropped = metadata.pop(DROPPED, None)
    return ArtifactVersion(
        name=found["name"],
        type=found["type"],
        version=f"v{found['version']}",
        description=found["description"] or "",
        metadata=metadata,
        aliases=tuple(sorted(found["aliases"])),
        files=tuple(ArtifactFile(f["path"], f["digest"], f["size"]) for f in found["manifest"]),
        digest=found["manifest_digest"],
        producer=found["producer_run_id"],
        dropped=dropped,
    )


def commit(
    db: sqlite3.Connection,
    run: tuple[str, str],
    artifact: tuple[str, str, str],
    files: list[ArtifactFile],
    metadata: Json,
    at: str,
) -> Found:
    """Make a version of the artifact (name, type, description), produced by `run` (id, name)."""
    (run_id, run_name), (name, type_, description) = run, artifact
    manifest: Manifest = [
        {"path": f.path, "digest": Sha256Digest(f.digest), "size": f.size_bytes} for f in files
    ]
    cas.assert_manifest_paths_compatible(cas.validate_logical_path(f.path) for f in files)
    number = _number_of(db, name, type_, manifest)
    if number is None:
        artifact_id = SQLiteStorage._create_or_get_artifact_cursor(db, name, type_, description, at)
        version_id, number, _ = SQLiteStorage._insert_artifact_version_cursor(
            db, artifact_id, manifest, metadata, run_id, run_name, at, first_number(db, name)
        )
        SQLiteStorage._reassign_alias_cursor(db, artifact_id, "latest", version_id)
    found = find(db, f"{name}:v{number}")
    if DROPPED in (found["metadata"] or {}):  # its bytes are here again
        db.execute(
            "UPDATE artifact_versions SET metadata = ? WHERE id = ?",
            (json.dumps(metadata), found["version_id"]),
        )
    link(db, run, found, "output", at)
    return find(db, f"{name}:v{number}")


def _number_of(db: sqlite3.Connection, name: str, type_: str, manifest: Manifest) -> int | None:
    """Find the number of the version with exactly these files, which include its metadata."""
    _, digest, _ = SQLiteStorage._canonical_manifest(manifest)
    row = db.execute(
        """SELECT v.version FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact_id
        WHERE a.name = ? AND a.type = ? AND v.manifest_digest = ?""",
        (name, type_, digest),
    ).fetchone()
    return row["version"] if row else None


def link(
    db: sqlite3.Connection, run: tuple[str, str], found: Found, direction: str, at: str
) -> None:
    """Record that `run` (id, name) has the version as "input" or "output"; idempotent."""
    run_id, run_name = run
    SQLiteStorage._insert_run_artifact_link_cursor(
        db, run_name, run_id, found["version_id"], direction, at
    )


def drop_uses(db: sqlite3.Connection, run_id: str) -> None:
    """Forget which versions the run has used."""
    db.execute("DELETE FROM run_artifact_links WHERE run_id = ? AND direction = 'input'", (run_id,))


def find_by_metadata(db: sqlite3.Connection, name: str, key: str, value: str) -> Found | None:
    """Find the newest version of `name` whose metadata has this value under `key`, whose parts are
    divided by dots, and whose bytes were not dropped."""
    row = db.execute(
        f"""SELECT v.version FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact_id
        WHERE a.name = ? AND json_extract(v.metadata, '$.' || ?) = ?
          AND json_extract(v.metadata, '$.{DROPPED}') IS NULL
        ORDER BY v.version DESC LIMIT 1""",
        (name, key, value),
    ).fetchone()
    return find(db, f"{name}:v{row['version']}") if row else None


def versions(db: sqlite3.Connection, name: str | None) -> list[Found]:
    """List the versions of one artifact, or of all, the oldest first."""
    rows = db.execute(
        """SELECT a.name, v.version
        FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact_id
        WHERE :name IS NULL OR a.name = :name ORDER BY v.id""",
        {"name": name},
    ).fetchall()
    return [find(db, f"{row['name']}:v{row['version']}") for row in rows]


def digests_logged(db: sqlite3.Connection, run_ids: Iterable[str]) -> set[str]:
    """Return the digests of all files of the versions that these runs logged."""
    rows = db.execute(
        """SELECT v.manifest FROM artifact_versions v WHERE v.id IN (
            SELECT artifact_version_id FROM run_artifact_links
            WHERE direction = 'output' AND run_id IN (SELECT value FROM json_each(?)))""",
        (json.dumps(list(run_ids)),),
    )
    return {file["digest"] for row in rows for file in json.loads(row["manifest"])}


def set_alias(db: sqlite3.Connection, found: Found, alias: str) -> None:
    """Move (or add) the alias."""
    SQLiteStorage._reassign_alias_cursor(db, found["artifact_id"], alias, found["version_id"])


def remove_alias(db: sqlite3.Connection, found: Found, alias: str) -> None:
    """Remove the alias, if the version has it."""
    db.execute(
        "DELETE FROM artifact_aliases WHERE alias = ? AND artifact_version_id = ?",
        (alias, found["version_id"]),
    )


@dataclass(frozen=True)
class GraphEvent:
    """A run used (`input`) or logged (`output`) the version `ref`, `name:vK`."""

    run_id: str
    direction: Literal["input", "output"]
    ref: str


def events(db: sqlite3.Connection, run_id: str | None = None) -> Iterator[GraphEvent]:
    """Yield every input and output of the project, or of one run, in the order in which they were
    recorded."""
    for row in db.execute(
        f"""SELECT COALESCE(l.run_id, l.run_name) AS run, l.direction,
            a.name || ':v' || v.version AS ref
        FROM run_artifact_links l
        JOIN artifact_versions v ON v.id = l.artifact_version_id
        JOIN artifacts a ON a.id = v.artifact_id
        {"" if run_id is None else "WHERE l.run_id = ?"}
        ORDER BY l.id""",
        () if run_id is None else (run_id,),
    ):
        yield GraphEvent(row["run"], row["direction"], row["ref"])


class Links:
    """All edges of the project's graph, or of one run, read at once: which run used or logged which
    version."""

    def __init__(self, db: sqlite3.Connection, run_id: str | None = None) -> None:
        self._runs: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._refs: dict[tuple[str, str], list[str]] = defaultdict(list)
        for event in events(db, run_id):
            self._runs[event.direction, event.ref].append(event.run_id)
            self._refs[event.direction, event.run_id].append(event.ref)

    def producers(self, ref: str) -> list[str]:
        """Return the ids of the runs that logged the version."""
        return self._runs["output", ref]

    def consumers(self, ref: str) -> list[str]:
        """Return the ids of the runs that used the version."""
        return self._runs["input", ref]

    def inputs(self, run_id: str) -> list[str]:
        """Return the references `name:vK` of the versions that the run used."""
        return self._refs["input", run_id]

    def outputs(self, run_id: str) -> list[str]:
        """Return the references `name:vK` of the versions that the run logged."""
        return self._refs["output", run_id]
