"""The names that trackers accept, compared with those that Trackio refuses."""

from __future__ import annotations

import pytest
from trackio.sqlite_storage import SQLiteStorage
from trackio.utils import canonical_project_name

from raysweep.errors import ArtifactNotFound, ConfigError
from raysweep.tracking import parse_reference, validate_project

SUFFIXES = ["system", "configs", "traces", *SQLiteStorage._ARTIFACT_PARQUET_TABLES]


@pytest.mark.parametrize("project", [*(f"my_{s}" for s in SUFFIXES), "registry-a"])
def test_what_trackio_refuses_is_refused_in_one_line(project):
    with pytest.raises(ValueError, match="not allowed"):
        SQLiteStorage.validate_project_name(project)
    with pytest.raises(ConfigError) as caught:
        validate_project(project)
    assert repr(project) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("project", ["my.model", "my model", "a/b", "", "ü" * 3, "a" * 129])
def test_a_name_that_would_share_anothers_files_is_refused(project):
    with pytest.raises(ConfigError, match=r"tracking\.project"):
        validate_project(project)


@pytest.mark.parametrize("project", ["artifacts-example", "_system", "a", "A_1-b"])
def test_a_good_name_is_trackios_own(project):
    SQLiteStorage.validate_project_name(project)
    assert validate_project(project) == canonical_project_name(project) == project


@pytest.mark.parametrize(
    ("ref", "name", "spec"),
    [
        ("mnist-raw", "mnist-raw", "latest"),
        ("mnist-raw:v12", "mnist-raw", "v12"),
        ("trained-model:best-sweep.1", "trained-model", "best-sweep.1"),
        ("a:v", "a", "v"),
    ],
)
def test_references(ref, name, spec):
    reference = parse_reference(ref)
    assert (reference.name, reference.spec) == (name, spec)
    assert str(reference) == f"{name}:{spec}"


@pytest.mark.parametrize("ref", ["", ":v1", "a:", "a:b:c", "a b", "a/b:v1", "a:v1\n"])
def test_what_is_no_reference(ref):
    with pytest.raises(ArtifactNotFound, match="not a reference"):
        parse_reference(ref)
