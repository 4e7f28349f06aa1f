"""What a program said, as W&B's client is told it again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import wandb

from raysweep.tracking.endpoint.live import row_of
from raysweep.tracking.mirror.run_files import Patience
from raysweep.tracking.port import RunRecord
from raysweep.tracking.programs import SHOWN, spec_of
from raysweep.tracking.wandb.program import as_logged, refer


@pytest.mark.parametrize(
    "logged",
    [
        {"loss": 1.0, "word": "x"},
        {"validation": {"loss": 1.0, "by": {"class": 2}}, "loss": 3.0},
        {"gradients/conv.weight": 1.0, "a": {"b.c": 2.0}, "a.b": 3.0},
        {"a": {"picture": {"_type": "image-file", "path": "media/x.png"}}},
    ],
)
def test_a_row_is_sent_in_the_form_in_which_it_was_logged(logged):
    row = row_of("1", {"_step": 4, **logged})
    assert row.step == 4
    media = {key: dict(each.value) for key, each in row.media.items()}
    assert as_logged({**row.metrics, **media}) == logged


def test_a_name_whose_parent_has_a_value_stays_flat():
    """As in rows that W&B merged from two of a step."""
    row = row_of("1", {"a": {"b": 1.0}})
    assert as_logged({"a": 2.0, **row.metrics}) == {"a": 2.0, "a.b": 1.0}


def test_files_that_do_not_come_are_waited_for_once_and_not_after_the_end():
    waited = []

    def lost():
        waited.append(1)

    patience = Patience(0.5)
    for _ in range(3):
        assert patience.wait(lost) is None
    assert len(waited) <= 3 + 3, "the first one alone is asked for again"
    assert patience.wait(lambda: "come") == "come"
    patience.over.set()
    waited.clear()
    assert patience.wait(lost) is None
    assert len(waited) == 1


def record(**attributes):
    return RunRecord(
        id="s-trial-0000",
        name="trial-0000-mine",
        job_type="train",
        group="mine",
        state="finished",
        config={"lr": 1},
        summary={},
        tags=(),
        used=(),
        logged=(),
        error=None,
        attributes=attributes,
    )


def test_a_run_has_the_group_and_the_job_type_of_its_script():
    assert spec_of(record()).group == "mine", "raysweep's own"
    silent = spec_of(record(**{SHOWN: {}, "group_name": ""}))
    assert (silent.group, silent.job_type) == ("", "")
    said = spec_of(record(**{SHOWN: {}, "group_name": "g", "job_type": "j"}))
    assert (said.group, said.job_type) == ("g", "j")
    before = replace(record(**{SHOWN: {}, "group_name": ""}), job_type="preprocess")
    assert spec_of(before).job_type == "preprocess"


def test_a_reference_keeps_what_the_scripts_client_found_without_a_look_at_it() -> None:
    """A later version of the object would be another input."""
    artifact = wandb.Artifact("data", type="dataset")
    given = {
        "ref": "s3://nobodys-bucket/more.bin",
        "digest": "an-etag",
        "size": 3,
        "extra": {"versionID": "v7"},
    }
    refer(artifact, "more.bin", given)
    (entry,) = artifact.manifest.to_manifest_json()["contents"].values()
    assert {key: entry[key] for key in given} == given
