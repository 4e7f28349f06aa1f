"""Artifacts: versions, metadata, aliases and references, the same in every tracker."""

from __future__ import annotations

import json
import math

import pytest

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.tracking import METADATA_FILE


def test_a_version_is_complete_when_log_artifact_returns(tracker, start, draft):
    run = start("load")
    files = {"training.pt": b"train", "more/test.pt": b""}
    metadata = {
        "sizes": [50_000, 10_000],
        "source": "torchvision.datasets.MNIST",
        "fingerprint": "f",
    }
    logged = run.log_artifact(draft("mnist-raw", files, metadata))

    assert logged.ref == "mnist-raw:v0"
    assert (logged.type, logged.description) == ("dataset", "Raw MNIST dataset")
    assert logged.metadata == metadata
    assert logged.aliases == ("latest",)
    assert logged.producer == "load"
    sizes = {file.path: file.size_bytes for file in logged.files}
    assert sizes.keys() == {"training.pt", "more/test.pt", METADATA_FILE}
    assert (sizes["training.pt"], sizes["more/test.pt"]) == (5, 0)
    assert tracker.artifact("mnist-raw") == logged
    assert tracker.artifact("mnist-raw:latest") == logged
    assert tracker.artifact("mnist-raw:v0") == logged
    assert tracker.run("load").logged == ("mnist-raw:v0",)


def test_versions_count_up_and_latest_follows(tracker, start, draft):
    run = start("load")
    for number in range(3):
        version = run.log_artifact(draft(files={"x": str(number).encode()}))
        assert version.version == f"v{number}"
    assert tracker.artifact("mnist-raw").version == "v2"
    assert tracker.artifact("mnist-raw:v1").aliases == ()
    assert run.log_artifact(draft("another")).version == "v0"


def test_the_same_files_and_metadata_are_the_same_version(tracker, start, draft):
    first = start("one").log_artifact(draft(files={"x": b"same"}, metadata={"a": 1, "b": 2}))
    start("one").log_artifact(draft(files={"x": b"other"}))
    again = start("two").log_artifact(draft(files={"x": b"same"}, metadata={"b": 2, "a": 1}))
    assert again.ref == first.ref == "mnist-raw:v0"
    assert again.digest == first.digest
    assert again.metadata == first.metadata
    assert again.producer == "one"
    assert tracker.run("two").logged == ("mnist-raw:v0",)


def test_the_same_files_with_other_metadata_are_another_version(tracker, start, draft):
    run = start("train")
    one = run.log_artifact(draft("trained-model", {"m.pth": b"same"}, {"trial": "a"}))
    two = run.log_artifact(draft("trained-model", {"m.pth": b"same"}, {"trial": "b"}))
    assert (one.version, two.version) == ("v0", "v1")
    assert tracker.artifact("trained-model:v0").metadata == {"trial": "a"}
    assert tracker.artifact("trained-model:v1").metadata == {"trial": "b"}


def test_metadata_travels_in_the_version_and_is_strict_json(tracker, start, draft, tmp_path):
    metadata = {"z": [1, 2.5, None], "a": {"loss": math.nan}, "worst": math.inf, "é": "ü"}
    kept = {"z": [1, 2.5, None], "a": {"loss": "NaN"}, "worst": "Infinity", "é": "ü"}
    version = start("load").log_artifact(draft(metadata=metadata))
    tracker.download(version.ref, tmp_path / "here")
    text = (tmp_path / "here" / METADATA_FILE).read_text("utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == kept
    assert list(json.loads(text)) == sorted(kept)
    assert version.metadata == kept


def test_metadata_that_is_no_json_is_refused_by_its_place(start, draft):
    with pytest.raises(TrackingError, match=r"metadata\.train\.sizes"):
        start("load").log_artifact(draft(metadata={"train": {"sizes": {1, 2}}}))


def test_a_name_keeps_its_type(start, draft):
    run = start("load")
    run.log_artifact(draft("mnist-raw", type="dataset"))
    with pytest.raises(TrackingError, match="type"):
        run.log_artifact(draft("mnist-raw", type="model"))


def test_an_alias_moves_both_ways_and_is_removed(tracker, start, draft):
    run = start("train")
    for number in range(3):
        run.log_artifact(draft("trained-model", {"m": str(number).encode()}))
    for version in ("v1", "v2", "v0", "v0"):
        tracker.set_alias(f"trained-model:{version}", "best")
        assert tracker.artifact("trained-model:best").version == version
    holders = [v for v in range(3) if "best" in tracker.artifact(f"trained-model:v{v}").aliases]
    assert holders == [0]

    tracker.remove_alias("trained-model:v1", "best")  # which has it not
    assert tracker.artifact("trained-model:best").version == "v0"
    tracker.remove_alias("trained-model:v0", "best")
    with pytest.raises(ArtifactNotFound, match="trained-model:best"):
        tracker.artifact("trained-model:best")


def test_latest_moves_back_when_asked(tracker, start, draft):
    run = start("load")
    run.log_artifact(draft(files={"x": b"0"}))
    run.log_artifact(draft(files={"x": b"1"}))
    tracker.set_alias("mnist-raw:v0", "latest")
    assert tracker.artifact("mnist-raw").version == "v0"
    assert run.log_artifact(draft(files={"x": b"2"})).version == "v2"
    assert tracker.artifact("mnist-raw").version == "v2"


def test_aliases_are_sorted(tracker, start, draft):
    start("train").log_artifact(draft("trained-model"))
    tracker.set_alias("trained-model", "best-sweep.1")
    tracker.set_alias("trained-model", "best")
    assert tracker.artifact("trained-model").aliases == ("best", "best-sweep.1", "latest")


@pytest.mark.parametrize("alias", ["v3", "two words", "a/b", ""])
def test_an_alias_that_no_reference_could_name_is_refused(tracker, start, draft, alias):
    start("train").log_artifact(draft("trained-model"))
    with pytest.raises(TrackingError, match="alias"):
        tracker.set_alias("trained-model:v0", alias)


@pytest.mark.parametrize(
    "ref", ["nothing", "mnist-raw:v7", "mnist-raw:best", "a b", "mnist-raw:", ""]
)
def test_what_is_not_there_is_not_found(tracker, start, draft, ref):
    run = start("load")
    run.log_artifact(draft("mnist-raw"))
    for look in (tracker.artifact, run.use_artifact, tracker.lineage):
        with pytest.raises(ArtifactNotFound) as caught:
            look(ref)
        assert repr(ref) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2
    with pytest.raises(ArtifactNotFound):
        tracker.set_alias(ref, "best")


def test_a_version_is_found_by_its_fingerprint_the_newest_first(tracker, start, draft):
    run = start("load")
    assert tracker.find_artifact("mnist-raw", "abc") is None
    run.log_artifact(draft(files={"x": b"0"}, metadata={"fingerprint": "abc"}))
    run.log_artifact(draft(files={"x": b"1"}, metadata={"fingerprint": "abc"}))
    run.log_artifact(draft(files={"x": b"2"}, metadata={"fingerprint": "xyz"}))
    run.log_artifact(draft("another", metadata={"fingerprint": "only-there"}))
    found = tracker.find_artifact("mnist-raw", "abc")
    assert found is not None
    assert found.ref == "mnist-raw:v1"
    assert tracker.find_artifact("mnist-raw", "only-there") is None


def test_a_run_knows_what_it_used_and_logged_in_order(tracker, start, draft):
    load = start("load")
    for name in ("mnist-raw", "convnet"):
        load.log_artifact(draft(name))
    run = start("train")
    assert run.use_artifact("mnist-raw:latest").ref == "mnist-raw:v0"
    run.use_artifact("convnet")
    run.use_artifact("mnist-raw:v0")  # once is enough
    run.log_artifact(draft("trained-model"))
    run.finish()
    record = tracker.run("train")
    assert sorted(record.used) == ["convnet:v0", "mnist-raw:v0"]
    assert record.logged == ("trained-model:v0",)
