"""A run of a program in W&B: what its own client said is said again by this process's client."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any

import wandb

from raysweep.tracking.metadata import plain
from raysweep.tracking.names import check_artifact_name
from raysweep.tracking.port import ArtifactVersion, Json, RunSpec
from raysweep.tracking.programs import NESTED, SHOWN, TableFiles, references, users_own
from raysweep.tracking.store import ClientMedia, Row
from raysweep.tracking.wandb import read as wandb_read
from raysweep.tracking.wandb.run import WandbRun
from raysweep.tracking.wandb.settings import transfer_timeout_s
from raysweep.tracking.wandb.tables import table_of

_SUMMARIES = {
    "1": "min",
    "2": "max",
    "3": "mean",
    "4": "best",
    "5": "last",
    "6": "none",
    "7": "copy",
    "8": "first",
}
"""Fields of the client's message MetricSummary, as its definitions of metrics have them."""


TableReader = Callable[[Mapping[str, Json]], AbstractContextManager[TableFiles | None]]
"""Opens the files of a table that a row describes; None where they are lost."""


class ProgramRun(WandbRun):
    """A run of a program in progress. Its rows are complete when they come, and sent at once."""

    _defined: Sequence[Json] = ()
    _public: Any = None

    def describe(self, spec: RunSpec, tags: Sequence[str]) -> None:
        """Change name, notes, tags and config to what `spec` says, and define its metrics."""
        run, notes = self._run, spec.attributes.get("notes")
        with self._project.explained(f"describe run {self.id}"):
            if run.name != spec.name:
                run.name = spec.name
            if notes is not None and run.notes != notes:
                run.notes = notes
            if list(run.tags or ()) != list(tags):
                run.tags = tuple(tags)
            config: Any = run.config  # untyped
            config.update(config_of(spec), allow_val_change=True)
            self._define(spec.attributes[SHOWN].get("m") or ())

    def _define(self, metrics: Sequence[Json]) -> None:
        """Define metrics as the program did; `metrics` is as the client encodes them."""
        if metrics == self._defined:
            return
        self._defined = metrics
        for metric in metrics:
            name, options = metric.get("1") or metric.get("2"), metric.get("6") or ()
            if not name or ("1" in metric and not _is_own(metric)):
                continue
            step = metric.get("4") or _step_of(metrics, metric.get("5"))
            said = [str(number) for number in metric.get("7") or ()]
            kinds = [_SUMMARIES[each] for each in said if each in _SUMMARIES]  # or a newer client's
            self._run.define_metric(
                name,
                step_metric=step,
                step_sync=1 in options if step else None,
                hidden=2 in options or None,
                summary=",".join(kinds) or None,
            )

    def log_program_row(self, row: Row, table: TableReader) -> None:
        """Log a whole step, with the media as the program's client described them. `table` opens
        the files of a table in it."""
        self._must_be_open()
        if row.step <= self._sent:
            return
        values = {k: each.value for k, each in row.media.items() if isinstance(each, ClientMedia)}
        with ExitStack() as opened, self._project.explained("log"):
            media: dict[str, Any] = dict(values)
            for key, value in values.items():
                files = opened.enter_context(table(value)) if _is_table(value) else None
                if files is not None:
                    media[key] = table_of(files)
            self._run.log(as_logged({**row.metrics, **media}), step=row.step, commit=True)

    def summarize(self, values: Mapping[str, Json]) -> None:
        """Set the program's summary; the client's own keys are this client's to write."""
        own = {
            key: value
            for key, value in values.items()
            if not key.startswith("_") and not _is_table(value)
        }
        super().summarize(plain(own))  # NaN as a string: in a summary the client makes it null

    def log_files(self, root: Path, names: Sequence[str]) -> None:
        """Upload the files `root / name` to the run, and wait for it."""
        self._must_be_open()
        with self._project.explained(f"upload {', '.join(names)}"):
            if self._public is None:
                self._public = self._project.run(self.id)
            for name in names:
                self._public.upload_file(str(root / name), root=str(root))

    def log_version(self, version: ArtifactVersion, files: Mapping[str, Path]) -> ArtifactVersion:
        """Log a version as its program made it: nothing but its own files and references."""
        self._must_be_open()
        with self._project.explained(f"log artifact {version.name}"):
            artifact = wandb.Artifact(
                check_artifact_name(version.name),
                type=version.type,
                description=version.description or None,
                metadata=plain(users_own(version.metadata)),
            )
            for name, path in files.items():
                artifact.add_file(str(path), name=name)
            for name, entry in references(version).items():
                refer(artifact, name, entry)
            self._run.log_artifact(artifact).wait(timeout=transfer_timeout_s(artifact.size))
            return wandb_read.version_of(artifact)


def config_of(spec: RunSpec) -> dict[str, Json]:
    """Return a run's config for the client; of a program with the charts that it defined."""
    config: dict[str, Json] = plain(spec.config, "config", strict=False)
    charts = (spec.attributes.get(SHOWN) or {}).get("visualize")
    return {**config, "_wandb": {"visualize": charts}} if charts else config


def as_logged(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in the nested form in which its program logged it."""
    values = dict(row)
    for *parents, last in json.loads(values.pop(NESTED, "[]")):
        name = ".".join([*parents, last])
        place = _place(values, parents) if name in values else None
        if place is not None:
            place[last] = values.pop(name)
    return values


def _place(values: dict[str, Any], parents: Sequence[str]) -> dict[str, Any] | None:
    """Return the dict at the way through nested keys; None where a value is on it, as `a` is of
    `a.b` in rows that W&B merged."""
    place = values
    for key in parents:
        if not isinstance(place.get(key, {}), dict) or "_type" in place.get(key, {}):
            return None
        place = place.setdefault(key, {})
    return place


def _is_table(value: Json) -> bool:
    return isinstance(value, Mapping) and value.get("_type") == "table-file"


def _is_own(metric: Mapping[str, Json]) -> bool:
    """Whether a script defined it: the client adds each that it meets, or that a glob names."""
    return "10" not in metric


def _step_of(metrics: Sequence[Json], index: int | None) -> str | None:
    """Return the name of the metric at the index, which counts from 1."""
    with suppress(IndexError, TypeError):
        return None if index is None else str(metrics[index - 1]["1"])
    return None


def refer(artifact: wandb.Artifact, path: str, entry: Mapping[str, Any]) -> None:
    """Add the reference, with the digest, size and version that the script's client found.

    The handler of its own scheme would look at what it refers to, which may be out of reach here;
    that of https does not if it is not to compute a checksum.
    """
    (made,) = artifact.add_reference("https://localhost", name=path, checksum=False)
    made.ref, made.digest = entry["ref"], entry["digest"]
    made.size, made.extra = entry.get("size"), dict(entry.get("extra") or {})
