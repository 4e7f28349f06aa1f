"""Keys in URIs and addresses: refused, and not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.addresses import refuse_keys, without_keys
from raysweep.config import Config
from raysweep.config.loading import load_config
from raysweep.errors import ConfigError, UserError
from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.submission.job_server import check_address
from raysweep.submission.shipment import environment
from raysweep.tracking import choose

KEY = "S3/cr3t+=="
URIS = [
    f"abfs://:{KEY}@account.blob.core.windows.net/container",
    f"abfs:/:{KEY}@account.blob.core.windows.net/container",  # as a Path has it
    f"abfs://container:{KEY}@account.dfs.core.windows.net/path",
    f"ABFSS://account:{KEY}@host:10000/container",
    f"abfs://account.blob.core.windows.net/c?sv=2026-01-01&sig={KEY}",
    f"abfs://c/p?credential_kind=client_secret&client_id=me&client_secret={KEY}",
    f"s3://AKIA:{KEY}@bucket/prefix",
    "s3://S3cr3t@bucket/prefix",
    f"s3://bucket/prefix?region=eu&access_key={KEY}",
    f"s3://bucket/prefix?X-Amz-Security-Token={KEY}",
    "s3://bucket/prefix?endpoint_override=http%3A%2F%2Fme%3AS3cr3t%40minio%3A9000",
    "s3://bucket/prefix?endpoint_override=me:S3cr3t@minio:9000",
    f"gs://bucket/prefix?access_token={KEY}",
    "gs://S3cr3t@bucket/prefix",
    f"hdfs://me:{KEY}@host:8020/path",
    f"file://me:{KEY}@host/path",
]
INNOCENT = [
    "./runs",
    "/srv/it's a:folder@home",
    "s3://bucket/a:prefix@home?region=eu-west-1&endpoint_override=127.0.0.1:9000&scheme=http",
    "abfs://container@account.dfs.core.windows.net/path",
    "abfs://account.blob.core.windows.net/container?credential_kind=cli&tenant_id=t&client_id=c",
    "abfs://account@127.0.0.1:10000/container",
    "gs://anonymous@bucket/prefix?retry_limit_seconds=10",
    "hdfs://me@namenode:8020/a@b",
    "file:///srv/a:b@c",
    "http://[::1]:8265",
    "10.0.0.1:6379",
    "auto",
]


def refusal(act: object) -> str:
    assert callable(act)
    with pytest.raises(UserError) as caught:
        act()
    told = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in told
    assert "S3" not in told.replace("S3:", ""), told
    assert "remove it, and " in told
    return told


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_with_a_key_is_refused_wherever_a_storage_is_named(uri: str, tmp_path: Path) -> None:
    refusal(lambda: refuse_keys("--storage", uri))
    refusal(lambda: read_storage(uri).__enter__())
    refusal(lambda: open_storage(Path(uri), "sweep mine").__enter__())
    refusal(lambda: Config.from_dict({"storage": uri}))
    refusal(lambda: load_config(None, [f"storage={uri}"]))
    refusal(lambda: load_config(None, [f'storage="{uri}"']))
    file = tmp_path / "sweep.yaml"
    file.write_text(f"storage: '{uri}'\n")
    assert f"{file}: storage: " in refusal(lambda: load_config(file))
    assert "S3" not in without_keys(uri).replace("S3:", "")


@pytest.mark.parametrize("uri", INNOCENT)
def test_a_uri_without_one_is_left_as_it_is(uri: str) -> None:
    refuse_keys("--storage", uri)
    assert without_keys(uri) == uri
    assert Config.from_dict({"storage": uri}).storage == uri


def test_what_to_do_is_said_by_scheme() -> None:
    assert "AZURE_CLIENT_SECRET" in refusal(lambda: refuse_keys("--storage", URIS[0]))
    assert "~/.aws/credentials" in str(refusal(lambda: refuse_keys("--storage", URIS[7])))
    assert "GOOGLE_APPLICATION_CREDENTIALS" in refusal(lambda: refuse_keys("--storage", URIS[13]))


def test_an_address_with_a_password_is_refused() -> None:
    for address in ("http://me:S3cr3t@head:8265", "http://S3cr3t@head:8265"):
        told = refusal(lambda address=address: check_address(address))
        assert told.startswith("--address http://…@head:8265: ")
    assert check_address("http://head:8265/") == "http://head:8265"


def test_wandbs_address_with_a_password_is_refused_before_it_is_sent_anywhere() -> None:
    environ = {"WANDB_BASE_URL": "http://me:S3cr3t@wandb.local", "WANDB_API_KEY": "0" * 40}
    told = refusal(lambda: choose("wandb", environ))
    assert told.startswith("WANDB_BASE_URL http://…@wandb.local: ")
    refusal(lambda: environment(environ))


def test_other_mistakes_in_a_config_still_name_the_override() -> None:
    with pytest.raises(ConfigError, match=r"--set storage='': storage: "):
        load_config(None, ["storage=''"])
