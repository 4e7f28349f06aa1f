"""The Tracker port on the unmodified W&B client, online.

W&B has most of what the port requires. Three things are emulated: metadata as part of the version
(METADATA_FILE), a run's error, and `crashed`, a state that only W&B's server may set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb

from raysweep.tracking import lineage
from raysweep.tracking.folder import fresh_folder
from raysweep.tracking.names import check_alias, check_artifact_name, check_run_id
from raysweep.tracking.port import (
    STALE_ERRORS,
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    RunRecord,
    RunSpec,
    StaleState,
)
from raysweep.tracking.programs import SHOWN
from raysweep.tracking.wandb import read as wandb_read
from raysweep.tracking.wandb.program import ProgramRun, config_of
from raysweep.tracking.wandb.project import Project
from raysweep.tracking.wandb.run import WandbRun, open_runs
from raysweep.tracking.wandb.settings import BOUNDED, LIVE, LIVE_S, QUICK, UserSettings
from raysweep.tracking.wandb.sweep import SweepPage
from raysweep.tracking.wandb.sweep import create as create_sweep


class WandbTracker:
    """The project in W&B, of `entity` or the key's default. Connects lazily.

    Pickles as names and settings, without the key, which stays in each machine's environment or
    netrc.
    """

    backend = "wandb"

    def __init__(
        self, project: str, entity: str | None = None, settings: UserSettings | None = None
    ) -> None:
        self._project = Project(project, entity)
        self._user_settings = settings or UserSettings()
        self.project = project
        self.page: SweepPage | None = None
        """The W&B sweep to which the trials' runs belong."""

    @property
    def scope(self) -> str:
        """Six characters that distinguish this project from projects of the same name elsewhere;
        makes no request."""
        return self._project.scope

    def knock(self) -> None:
        """Raise TrackingError if no server listens at the address; takes at most 5 s."""
        self._project.knock()

    def probe(self) -> None:
        """Raise TrackingError unless the server answers and accepts the key; takes at most 15 s."""
        self._project.probe()

    @property
    def url(self) -> str:
        """Return the URL of the project. Raises TrackingError, within 15 s, if the server does not
        answer or refuses the key."""
        return self._project.url

    def create_page(
        self, trials: str, sweep: Mapping[str, Json], runs: Sequence[str] = ()
    ) -> SweepPage:
        """Create a W&B sweep; see `sweep.create`. Raises TrackingError."""
        return create_sweep(self._project, trials, sweep, runs)

    def _page_of(self, spec: RunSpec) -> str | None:
        if self.page is None:
            return None
        sweep = spec.attributes.get("sweep")  # of a program: it may begin several runs
        mine = sweep is not None and self.page.trials.startswith(f"{sweep}-")
        return self.page.id if mine or spec.id.startswith(self.page.trials) else None

    def start_run(self, spec: RunSpec, after: int | None = None) -> WandbRun:
        """See Tracker. W&B cannot drop rows, so those that it has are not sent again."""
        check_run_id(spec.id)
        with self._project.explained(f"start run {spec.id}"):
            if left_open := open_runs.pop(spec.id, None):
                left_open.finish(exit_code=1)
            folder = self._user_settings.place()
            live: dict[str, Any] = {LIVE: LIVE_S} if SHOWN in spec.attributes else {}
            if folder:
                with suppress(OSError):  # the client then uses the machine's temporary folder
                    Path(folder).mkdir(parents=True, exist_ok=True)
            run = wandb.init(
                dir=folder,
                entity=self._project.entity,
                project=self.project,
                id=spec.id,
                resume="allow",
                reinit="create_new",  # else it returns the run that is active in this process
                name=spec.name,
                group=self._user_settings.group or spec.group or None,
                job_type=spec.job_type or None,
                notes=spec.attributes.get("notes"),
                tags=self._tags(spec),
                config=config_of(spec),
                allow_val_change=True,
                settings=wandb.Settings(**QUICK, **BOUNDED, **live, sweep_id=self._page_of(spec)),
            )
            open_runs[spec.id] = run
            if run.resumed:
                run.summary[wandb_read.ERROR_KEY] = None
                self._project.run(spec.id).summary.update({wandb_read.ERROR_KEY: None})  # at once
        last = self.last_step(spec.id) if run.resumed and after is not None else -1
        if SHOWN in spec.attributes:
            return ProgramRun(self._project, run, sent=last)
        return WandbRun(self._project, run, sent=last)

    def _tags(self, spec: RunSpec) -> list[str]:
        return list(dict.fromkeys([*spec.tags, *self._user_settings.tags]))

    def describe_run(self, run: WandbRun, spec: RunSpec) -> None:
        """Change name, notes, tags and config of a run of a program, which is open."""
        assert isinstance(run, ProgramRun)
        run.describe(spec, self._tags(spec))

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Tracker."""
        with self._project.explained(f"read artifact {ref}"):
            return wandb_read.version_of(self._project.artifact(ref))

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Tracker."""
        api, path = self._project.api, self._project.path(check_artifact_name(name))
        with self._project.explained(f"look through artifact {name}"):
            if not api.artifact_exists(f"{path}:latest"):
                return None
            type_ = api.artifact(f"{path}:latest").type
            found = [
                artifact
                for artifact in api.artifacts(type_, path)
                if artifact.metadata.get("fingerprint") == fingerprint
            ]
            newest = max(found, key=lambda a: int(a.version.removeprefix("v")), default=None)
            return wandb_read.version_of(newest) if newest else None

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        with fresh_folder(folder) as fresh, self._project.explained(f"download {ref}"):
            wandb_read.download(artifact, fresh)
            return wandb_read.version_of(artifact)

    def set_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        if check_alias(alias) not in artifact.aliases:
            with self._project.explained(f"set alias {alias}"):
                artifact.aliases = [*artifact.aliases, alias]
                artifact.save()

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        artifact = self._project.artifact(ref)
        if alias in artifact.aliases:
            with self._project.explained(f"remove alias {alias}"):
                artifact.aliases = [a for a in artifact.aliases if a != alias]
                artifact.save()

    def run(self, run_id: str) -> RunRecord:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read run {run_id}"):
            return wandb_read.record_of(run)

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """See Tracker. Takes two requests per run, for its artifacts."""
        runs = self._project.runs(group)
        with self._project.explained("read runs"):
            return [wandb_read.record_of(run) for run in runs]

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read history of run {run_id}"):
            return wandb_read.history_of(run)

    def images(self, run_id: str, key: str) -> list[Image]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read images of run {run_id}"):
            return wandb_read.images_of(run, key)

    def table(self, run_id: str, key: str) -> tuple[list[str], list[list[Json]]]:
        """See Tracker."""
        run = self._project.run(run_id)
        with self._project.explained(f"read table of run {run_id}"):
            return wandb_read.table_of(run, key)

    def lineage(self, ref: str) -> Lineage:
        """See Tracker."""
        focus = wandb_read.reference_of(self._project.artifact(ref))
        with self._project.explained(f"read lineage of {ref}"):
            return lineage.walk(wandb_read.WandbGraph(self._project), focus)

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """See Tracker."""
        stale = [run for run in self._project.runs(group) if run.state == "running"]
        for run in stale:
            self._close(run, state)
        return [run.id for run in stale]

    def find_run(self, run_id: str) -> RunRecord | None:
        """Find the run; None if W&B does not have it."""
        run = self._project.find_run(run_id)
        with self._project.explained(f"read run {run_id}"):
            return wandb_read.record_of(run) if run else None

    def last_step(self, run_id: str) -> int:
        """Return the last step for which the run has a row, media included; -1 if it has none."""
        run = self._project.run(run_id)
        with self._project.explained(f"read history of run {run_id}"):
            return int(run.lastHistoryStep)

    def file_sizes(self, run_id: str) -> dict[str, int]:
        """Map the files of the run to their sizes in bytes."""
        run = self._project.run(run_id)
        with self._project.explained(f"read the files of run {run_id}"):
            return {file.name: int(file.size) for file in run.files()}

    def keys_by_step(self, run_id: str) -> dict[int, set[str]]:
        """Map each step of the run to its keys, media included."""
        run = self._project.run(run_id)
        with self._project.explained(f"read history of run {run_id}"):
            return wandb_read.keys_by_step(run)

    def close_run(self, run_id: str, state: StaleState) -> str | None:
        """Close one run as `close_stale` does; return its URL, or None if W&B does not have it."""
        run = self._project.find_run(run_id)
        if run is None:
            return None
        if run.state == "running":
            self._close(run, state)
        url: str = run.url
        return url

    def upload(self, run_id: str, path: Path) -> None:
        """Add a file to those of the run, which may have finished; one of that name is replaced."""
        self.knock()  # else the client retries for 20 s where there is no server
        run = self._project.run(run_id)
        with self._project.explained(f"upload {path.name}"):
            run.upload_file(str(path), root=str(path.parent))

    def _close(self, run: Any, state: StaleState) -> None:
        with self._project.explained(f"close run {run.id}"):
            run.summary.update({wandb_read.ERROR_KEY: STALE_ERRORS[state]})
            run.update_state("failed")

    def close(self) -> None:
        """See Tracker. Does nothing: the client shares one connection per process."""
