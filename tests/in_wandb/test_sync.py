"""`sync`: what the embedded tracker kept, brought to W&B, whole and once, however it was cut."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import wandb
from kept_sweep import NAME, PICTURES, TABLE, KeptSweep, mutual_sweep, small_sweep, whole_sweep

from raysweep.errors import TrackingError, UserError
from raysweep.storage.claim import claim, release
from raysweep.sweep.syncing import sync_sweep
from raysweep.tracking import RunSpec
from raysweep.tracking.metadata import plain
from raysweep.tracking.mirror.tracker import MirroredTracker
from raysweep.tracking.wandb.tracker import WandbTracker

from commands import call, raysweep
from family import family
from wandb_server import WandbServer, faults
from wandb_server.errors import Refusal
from wandb_server.routes import Request
from wandb_server.server import let_pass


def assert_published(kept: KeptSweep, project: str, api: wandb.Api) -> None:
    """W&B has every run and version of the store, once, and as they are there."""
    api.flush()
    there = WandbTracker(project)
    mine = {record.id: record for record in kept.tracker.runs()}
    found = {record.id: record for record in there.runs()}
    assert found.keys() == mine.keys()
    for run_id, record in mine.items():
        other = found[run_id]
        assert (other.name, other.job_type, other.group) == (
            (record.name, record.job_type, record.group)
        )
        assert (other.config, other.tags) == (record.config, record.tags)
        assert (other.state, other.error) == (record.state, record.error)
        assert record.summary.items() <= other.summary.items()
        assert sorted(other.used) == sorted(record.used)
        assert other.logged == record.logged
        assert record.url == other.url
        assert plain(there.history(run_id)) == plain(kept.tracker.history(run_id))
    for name in {ref.partition(":")[0] for record in mine.values() for ref in record.logged}:
        type_ = kept.tracker.artifact(name).type
        versions = api.artifacts(type_, f"tester/{project}/{name}")
        for version in versions:
            ours = kept.tracker.artifact(f"{name}:{version.version}")
            theirs = there.artifact(ours.ref)
            assert (theirs.description, theirs.metadata) == (ours.description, ours.metadata)
            assert theirs.producer == ours.producer
            aliases = tuple(a for a in ours.aliases if not a.startswith("wandb-"))
            assert theirs.aliases == aliases
        assert len(list(versions)) == sum(
            name == ref.partition(":")[0] for r in mine.values() for ref in r.logged
        )
    report = f"{kept.record.id}-report"
    pictures = there.images(report, "high-loss-examples")
    assert [p.caption for p in pictures] == [p.caption for p in PICTURES]
    assert [p.pixels.tolist() for p in pictures] == [p.pixels.tolist() for p in PICTURES]
    assert there.table(report, "confusion-matrix") == TABLE


def test_all_of_it_in_its_order_and_a_second_time_nothing(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    kept = whole_sweep(tmp_path, "sync-whole")
    kept.folder.logs.mkdir()
    for run, text in {"trial-0001": "epoch 0\nepoch 1\n", "evaluate": "scoring\n"}.items():
        kept.folder.log(run).write_text(text)
    begun = len(server.requests)
    first = raysweep("sync", NAME, "--storage", kept.storage, "--json")
    made = [r.detail["input"] for r in server.requests[begun:] if r.operation == "CreateArtifact"]
    names = [
        one["artifactCollectionName"] for one in made if one["artifactTypeName"] != "run_table"
    ]
    assert names[3:] == ["trained-model"] * 3
    assert sorted(names[:3]) == ["convnet", "digits-preprocess", "digits-raw"]
    assert names.index("digits-raw") < names.index("digits-preprocess")
    last = [r for r in server.requests[begun:] if r.operation == "AddAliases"][-2:]
    assert ["best" in str(r.detail) or "latest" in str(r.detail) for r in last] == [True] * len(
        last
    )
    assert len(first["runs"]["sent"]) == 10
    assert sorted(console(server.requests[begun:])) == ["epoch 0", "epoch 1", "scoring"]
    assert_published(kept, "sync-whole", api)
    assert kept.tracker.run(f"{kept.record.id}-trial-0004").state == "crashed"

    begun = len(server.requests)
    second = raysweep("sync", "--storage", kept.storage, "--json")
    assert (second["runs"]["sent"], second["aliases"]) == ([], [])
    assert second["runs"]["there"] == first["runs"]["sent"]
    assert {r.operation for r in server.requests[begun:]} & STEPS == set()


def console(requests: Sequence[Request]) -> list[str]:
    """The lines that these requests put on Logs tabs; each is dated."""
    sent = [each.detail.get("files", {}) for each in requests if each.operation == "file_stream"]
    lines = [line for files in sent for line in files.get("output.log", {}).get("content", [])]
    return [line.partition(" ")[2] for line in lines]


STEPS = {
    *("UpsertBucket", "CreateArtifact", "CreateArtifactManifest", "CreateArtifactFiles"),
    *("CommitArtifact", "UseArtifact", "AddAliases", "DeleteAliases", "UpdateArtifact"),
    *("CreateRunFiles", "UpdateRunState", "file_stream", "upload"),
}
"""What changes something there; the rest only asks."""


class Killer:
    """Kills the syncing process, its client's own one included, at each step it has not done yet:
    after the step, and every second time instead of it."""

    def __init__(self, steps: Set[str] = STEPS) -> None:
        self.steps = steps
        self.seen: set[object] = set()
        self.victim: BaseProcess | None = None
        self._run: str | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(self, request: Request, act: Callable[[], bytes]) -> bytes | None:
        if request.operation not in self.steps or _is_the_clients_own(request):
            return act()
        with self._one_at_a_time:  # the client sends some of its requests side by side
            step = self._step(request)
            victim = self.victim
            if step in self.seen or victim is None or victim.pid is None:
                return act()
            self.seen.add(step)
            self.victim = None
            if len(self.seen) % 2:
                act()
            # Itself first: it would notice that its client's process is gone, and say so.
            for process in sorted(family(victim.pid), key=lambda one: one.pid != victim.pid):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, SIGKILL)
            return None

    def _step(self, request: Request) -> object:
        """The same for the same step of another attempt: ids are drawn anew."""
        detail = request.detail
        if request.operation == "UpsertBucket":
            self._run = detail.get("name", self._run)  # a run that is there is named by its id
        if request.operation == "file_stream":
            files = detail.get("files") or {}
            return self._run, "wandb-history.jsonl" in files, bool(detail.get("complete"))
        if request.operation == "upload":
            return self._run, "upload", detail.rpartition("/")[2]
        given = detail.get("input", detail)
        names = ("name", "artifactCollectionName", "type", "artifactName", "digest", "runName")
        if request.operation == "CreateArtifactManifest":  # it names the version's id, drawn anew
            given = {**given, "digest": bool(given.get("digest"))}
        if request.operation == "UseArtifact":  # of a version that is there, and keeps its id
            names += ("artifactID",)
        return self._run, request.operation, *(str(given.get(name)) for name in names)


def _is_the_clients_own(request: Request) -> bool:
    """Its copies of the config and the summary, of which nothing is read."""
    own = ("config.yaml", "wandb-summary.json")
    files = request.detail.get("files", []) if isinstance(request.detail, dict) else []
    uploaded = request.operation == "upload" and request.detail.endswith(own)
    return uploaded or (request.operation == "CreateRunFiles" and set(files) <= set(own))


IMPORTED_ONCE = [
    *("raysweep.sweep.syncing", "raysweep.tracking.wandb.tracker", "trackio", "pandas"),
    *("wandb.apis.public.artifacts", "wandb.apis.public.runs", "wandb.sdk.artifacts.artifact"),
    *("wandb.sdk.artifacts._models.pagination", "PIL.PngImagePlugin", "requests"),
]
"""What a sync imports as it goes: 1.5 s of the 2 that each attempt took."""


def _sync(storage: str) -> None:
    os.environ.pop("WANDB_SERVICE", None)  # the client's own process, and not that of the tests
    sync_sweep(Path(storage))


@pytest.mark.timeout(600)
def test_killed_at_every_step_it_goes_on_and_doubles_nothing(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    kept = small_sweep(tmp_path, "sync-killed")
    assert sync_until_done(kept, server, Killer()) > 20
    assert_published(kept, "sync-killed", api)


@pytest.mark.timeout(600)
def test_two_trials_that_cloned_each_other(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    """No order of these runs has each after what it used. Killed at each edge of the graph."""
    kept = mutual_sweep(tmp_path, "sync-mutual")
    edges = Killer({"CreateArtifact", "UseArtifact"})
    assert sync_until_done(kept, server, edges) > 5
    assert_published(kept, "sync-mutual", api)
    begun = len(server.requests)
    again = sync_sweep(kept.storage).published
    assert (again.sent, again.aliases, len(again.there)) == ([], [], 4)
    assert {r.operation for r in server.requests[begun:]} & STEPS == set()


def sync_until_done(kept: KeptSweep, server: WandbServer, killer: Killer) -> int:
    """Sync, again after each time that it was killed; how often it was."""
    server.intercept = killer
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(IMPORTED_ONCE)
    kills = 0
    while True:
        process = processes.Process(target=_sync, args=(str(kept.storage),))
        process.start()
        killer.victim = process
        process.join(120)
        if process.exitcode == 0:
            break
        assert process.exitcode == -SIGKILL
        kills += 1
        assert kills < 120
    server.intercept = let_pass
    return kills


def test_a_server_that_fails_in_between_is_one_line_and_the_next_goes_on(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    kept = small_sweep(tmp_path, "sync-refused")
    server.inject("CommitArtifact", faults.status(403))
    done = call("sync", "--storage", kept.storage)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("raysweep: W&B project sync-refused: cannot ")
    raysweep("sync", "--storage", kept.storage, "--json")
    assert_published(kept, "sync-refused", api)


def test_a_newer_version_of_somebody_else_stays_best(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "sync-others")
    sync_sweep(kept.storage)
    there = WandbTracker("sync-others")
    others = there.start_run(RunSpec("others", "others", "train", "others"))
    newer = others.log_artifact(kept.draft("trained-model", "model", "a colleague's"))
    there.set_alias(newer.ref, "best")
    others.finish()
    again = sync_sweep(kept.storage).published
    assert (again.sent, again.aliases) == ([], [])
    assert there.artifact("trained-model:best").ref == newer.ref == "trained-model:v1"
    assert there.artifact("trained-model:latest").ref == newer.ref


def test_best_of_another_data_set_stays_unless_asked(server: WandbServer, tmp_path: Path) -> None:
    """A sweep of the digits is synced into a project whose best model knows MNIST."""
    there = WandbTracker("sync-other-data")
    others = there.start_run(RunSpec("others", "others", "train", "others"))
    kept = small_sweep(tmp_path, "sync-other-data")
    draft = kept.draft("trained-model", "model", "theirs")
    theirs = others.log_artifact(
        replace(draft, metadata={**draft.metadata, "used": {"mnist-preprocess": "v0"}})
    )
    there.set_alias(theirs.ref, "best")
    others.finish()
    done = call("sync", NAME, "--storage", kept.storage)
    assert done.returncode == 0, done.stderr
    assert "in W&B, best stays trained-model:v0, which was trained on mnist, and " in done.stderr
    assert there.artifact("trained-model:best").ref == theirs.ref
    assert there.artifact(f"trained-model:best-{NAME}").ref == "trained-model:v1"
    done = call("sync", NAME, "--storage", kept.storage, "--promote", "always")
    assert done.returncode == 0, done.stderr
    assert "best stays" not in done.stderr
    assert there.artifact("trained-model:best").ref == "trained-model:v1"


def test_another_projects_versions_are_not_taken_for_this_ones(
    server: WandbServer, tmp_path: Path
) -> None:
    """The project was deleted there: numbers begin anew, and what is here is sent again."""
    kept = small_sweep(tmp_path, "sync-deleted")
    first = sync_sweep(kept.storage).published
    server.state.projects.clear()
    assert sync_sweep(kept.storage).published.sent == first.sent


def test_a_storage_whose_tracker_is_gone_says_so(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "sync-gone")
    shutil.rmtree(kept.storage / "tracker")
    with pytest.raises(UserError, match="its tracker folder is not there"):
        sync_sweep(kept.storage)
    assert not (kept.storage / "tracker").exists()


def test_a_blob_changed_on_disk_is_not_published(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "sync-corrupt")
    (file,) = (f for f in kept.tracker.artifact("digits-raw").files if f.path == "sub/data.bin")
    blob = Path(kept.store.blob_path(file.digest))
    blob.chmod(0o644)
    blob.write_text("other")
    done = call("sync", "--storage", kept.storage)
    assert done.returncode == 1
    assert str(blob) in done.stderr.splitlines()[-1]
    assert WandbTracker("sync-corrupt").find_artifact("digits-raw", "any") is None


def test_a_running_sweep_and_a_second_sync_are_refused(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "sync-busy")
    lock = claim(kept.folder)
    with pytest.raises(UserError, match="mine: is still running"):
        sync_sweep(kept.storage)
    release(lock)


def test_without_a_key(tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "sync-no-key")
    with pytest.raises(UserError, match="sync: needs a W&B key"):
        sync_sweep(kept.storage, environ={"NETRC": os.devnull})


def test_the_environment_of_an_offline_user(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    """Whoever always works offline may leave the variable set."""
    kept = small_sweep(tmp_path, "sync-offline")
    env: dict[str, Any] = {"WANDB_MODE": "offline"}
    raysweep("sync", "--storage", kept.storage, "--json", **env)
    assert_published(kept, "sync-offline", api)


def test_what_wandb_refuses_holds_up_only_what_depends_on_it(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    """One trial's model is refused: the other trials are sent, and the next sync sends the rest."""
    kept = whole_sweep(tmp_path, "sync-one-refused")

    def refuse_one(request: Request, act: Callable[[], bytes]) -> bytes | None:
        given = request.detail.get("input", {}) if isinstance(request.detail, dict) else {}
        if request.operation == "CreateArtifact" and '"trial 1"' in str(given.get("metadata")):
            raise Refusal("artifact is not welcome", status=403)
        return act()

    server.intercept = refuse_one
    with pytest.raises(TrackingError, match="not welcome") as told:
        sync_sweep(kept.storage)
    server.intercept = let_pass
    lacking = {"trial-0001-mine"}
    assert str(told.value).endswith(f"unlike the others: {', '.join(sorted(lacking))}")
    runs = {run.name: run for run in api.runs("tester/sync-one-refused", lazy=False)}
    assert runs["trial-0002-mine"].state == "finished"
    assert runs["trial-0001-mine"].state == "failed", "it is not shown as running"
    assert kept.tracker.run(f"{kept.record.id}-trial-0001").url is None
    sync_sweep(kept.storage)
    assert api.artifact("tester/sync-one-refused/trained-model:best").metadata["content"]


def test_bytes_that_were_dropped_here(server: WandbServer, api: wandb.Api, tmp_path: Path) -> None:
    """What W&B has, it keeps; of what it has not, it gets the record, so the lineage is whole."""
    kept = whole_sweep(tmp_path, "sync-dropped")
    removing = kept.store.removing
    (model,) = {ref for run in kept.tracker.runs() for ref in run.used if "trained" in ref}
    models = {ref for run in kept.tracker.runs() for ref in run.logged if "trained" in ref}
    lean = min(models - {model})
    removing.drop([lean], "tracking.keep: best")
    removing.bury()
    published = sync_sweep(kept.storage).published
    assert published.records_only == [lean]
    there = WandbTracker("sync-dropped")
    theirs = there.artifact(published.versions[lean])
    assert [file.path for file in theirs.files] == ["metadata.json"]
    assert "its bytes were dropped by tracking.keep: best" in theirs.description
    assert theirs.metadata == kept.tracker.artifact(lean).metadata
    removing.drop([model], "tracking.keep: best")
    removing.bury()
    again = sync_sweep(kept.storage).published
    assert (again.sent, again.records_only) == ([], [lean])
    mirrored = MirroredTracker(kept.tracker, there)
    mirrored.download(published.versions[model], tmp_path / "from W&B")
    assert (tmp_path / "from W&B" / "sub" / "data.bin").is_file()
    mirrored.close()
