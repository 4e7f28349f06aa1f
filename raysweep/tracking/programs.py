"""What W&B's client says of its program's runs and versions, beside what the port has a place for.

The store keeps files by SHA-256; the client checks them by MD5 and knows references, which have no
bytes. What the store has no place for is kept in the version's metadata, under NOTES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raysweep.tracking.port import (
    METADATA_FILE,
    ArtifactFile,
    ArtifactVersion,
    Json,
    RunRecord,
    RunSpec,
)

NOTES = "_wandb"
"""The key of a version's metadata for what the client must be told again: the `digest` of the
manifest, and the `entries` of references, path → entry."""

NESTED = "_nested"
"""The key of a row for the ways to values that were logged in nested form, as a JSON text: rows are
kept flat, and a name may have a dot of its own."""

SHOWN = "wandb"
"""The attribute of a run of a program: by what W&B draws it, which may be nothing."""

OUTPUT = "output.log"
"""The file of a run that has what its program printed."""

TRIAL = "train"
"""The job type of a sweep's trials here; in W&B a trial has what its script says, or none."""

WRITTEN_ANEW = (OUTPUT, "wandb-events.jsonl", "wandb-summary.json", "config.yaml")
"""Files of a run that the client which sends it writes itself."""

CLIENTS_OWN = frozenset(
    {
        *WRITTEN_ANEW,
        "requirements.txt",
        "conda-environment.yaml",
        "diff.patch",
        "wandb-metadata.json",
    }
)
"""Files that W&B's client keeps with each run, without being asked."""

TABLE_SUFFIX = ".table.json"
"""The end of the name of a file that holds a table. The client that sends it writes it anew, with
an artifact of a type that only the client may log."""


RUN_TABLE = "run_table"
"""The type of the artifacts in which W&B's client keeps the tables of rows."""

TABLES = "_tables"
"""The key of a run's summary for the versions of the tables in its rows: a row names a table by an
id that its client made up, and this maps the `table_key` of such ids to `name:vK`."""

_TABLE = re.compile(r"wandb-client-artifact://(?P<id>[^/:]+)(?::[^/]*)?/(?P<file>.+)")


@dataclass(frozen=True)
class TableFiles:
    """The files of a table in a row. `content`: its columns and data, as the run has them, with
    media by their class alone; `version`: the folder of the version that has the media, of which
    the file `name` is the whole table; None where that did not come."""

    content: Mapping[str, Any]
    version: Path | None = None
    name: str = ""


def table_named(value: Mapping[str, Json]) -> tuple[str, str] | None:
    """Return the key in TABLES of a table in a row, and the file of its version that has it."""
    match = _TABLE.fullmatch(str(value.get("artifact_path")))
    return None if match is None else (table_key(match["id"]), match["file"])


def table_key(client_id: str) -> str:
    """Shorten the client's id, random characters of which it takes 128."""
    return client_id[:16]


def notes(version: ArtifactVersion) -> Mapping[str, Any]:
    """Return what the client said of the version; nothing for one that raysweep made itself."""
    found = version.metadata.get(NOTES)
    return found if isinstance(found, dict) else {}


def users_own(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Return the metadata without NOTES."""
    return {key: value for key, value in metadata.items() if key != NOTES}


def users_files(version: ArtifactVersion) -> list[ArtifactFile]:
    """Return the files that the program added."""
    made_by_a_program = bool(notes(version))
    return [f for f in version.files if not (made_by_a_program and f.path == METADATA_FILE)]


def references(version: ArtifactVersion) -> Mapping[str, Mapping[str, Any]]:
    """Return the version's references, path → entry of the manifest."""
    found = notes(version).get("entries")
    return found if isinstance(found, dict) else {}


def is_programs(record: RunRecord) -> bool:
    """Whether a program began the run."""
    return SHOWN in record.attributes


def is_clients(type_: str) -> bool:
    """Whether W&B's client makes artifacts of this type for itself, as of tables: it alone may."""
    return type_ in (RUN_TABLE, "job") or type_.startswith("wandb-")


def sent_files(files: list[ArtifactFile]) -> list[ArtifactFile]:
    """Return those of a run's files that are sent to W&B as they are."""
    return [
        file
        for file in files
        if file.path not in WRITTEN_ANEW and not file.path.endswith(TABLE_SUFFIX)
    ]


def spec_of(record: RunRecord) -> RunSpec:
    """Make the spec that starts the run in W&B: of a program with the group and the job type that
    its script gave it, or none, as under W&B's agent."""
    spec = RunSpec(
        record.id,
        record.name,
        record.job_type,
        record.group,
        record.config,
        record.tags,
        record.attributes,
    )
    if not is_programs(record):
        return spec
    said = record.attributes
    group, job_type = said.get("group_name", record.group), said.get("job_type")
    if job_type is None:
        job_type = "" if record.job_type == TRIAL else record.job_type
    return replace(spec, group=str(group), job_type=str(job_type))
