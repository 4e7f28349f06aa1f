"""Conditional writes are asked for where pyarrow's files lie, with the same keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import AzureStore, GCSStore, S3Store
from pyarrow.fs import FileSystem

from raysweep.storage.bucket.clients import client
from raysweep.storage.bucket.conditional import conditional_writes
from raysweep.storage.bucket.object_store import ObjectStore, _filesystem

S3 = "s3://bucket/team/sweeps?region=eu-north-1"


def at(uri: str) -> ObjectStore:
    """Without asking whether it is there."""
    return ObjectStore(uri, *_filesystem(uri))


@pytest.fixture(autouse=True)
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"region": "eu-north-1"}),
        ("&endpoint_override=host:9000&scheme=http", {"endpoint": "http://host:9000"}),
        ("&force_virtual_addressing=true", {"virtual_hosted_style_request": "true"}),
    ],
)
def test_s3_with_the_options_of_the_uri(query: str, expected: dict[str, str]) -> None:
    found = client(at(S3 + query))
    assert isinstance(found, S3Store)
    assert found.prefix == "team/sweeps"
    config = {key.removeprefix("aws_"): str(value).lower() for key, value in found.config.items()}
    assert config["bucket"] == "bucket"
    assert expected.items() <= config.items()


def test_s3_keys_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = one\naws_secret_access_key = s1\n"
        "[work]\naws_access_key_id = two\naws_secret_access_key = s2\naws_session_token = t\n"
    )

    def keys() -> list[str]:
        config = client(at(S3)).config
        return [str(value) for key, value in config.items() if "key" in key or "token" in key]

    assert sorted(keys()) == ["one", "s1"]
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert sorted(keys()) == ["s2", "t", "two"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "three")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3")
    assert not {"two", "s2", "t"} & set(keys()), "the environment comes first"


def test_google_and_azure() -> None:
    google = client(at("gs://anonymous@bucket/team/sweeps"))
    assert isinstance(google, GCSStore)
    assert google.prefix == "team/sweeps"
    azure = client(at("abfs://container@account.dfs.core.windows.net/team/sweeps"))
    assert isinstance(azure, AzureStore)
    assert azure.prefix == "team/sweeps"
    config = {key.removeprefix("azure_"): value for key, value in azure.config.items()}
    assert config["container_name"] == "container"
    assert "account" in {str(value) for value in config.values()}


def test_others_have_none(tmp_path: Path) -> None:
    filesystem, root = FileSystem.from_uri(tmp_path.as_uri())
    store = ObjectStore("hdfs://host/folder", filesystem, root)
    store.kind = "hdfs"
    writes, lacking = conditional_writes(store)
    assert not writes.atomic
    assert lacking == "hdfs: has none"
