"""URIs that lead nowhere: one line that says what to do, soon, and nothing left behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raysweep.cli.main import main
from raysweep.errors import UserError
from raysweep.storage.bucket.object_store import ObjectStore

from s3_server import S3Server


@pytest.mark.parametrize(
    ("command", "uri", "words"),
    [
        ("list", "s3://nowhere/prefix", "there is no bucket nowhere"),
        ("run", "foo://bucket/prefix", "Unrecognized filesystem type"),
        ("run", "s3:///prefix", "no bucket is named"),
        ("run", "s3:/bucket/prefix", "no bucket is named"),
        ("run", "s3://nowhere/prefix", "there is no bucket nowhere"),
        ("run", "s3://bucket/prefix?endpoint=x", "unknown option endpoint; known: region, "),
        ("run", "s3://bucket/a/../b", "it has . or .. in it"),
        ("run", "s3://key:secret@bucket/prefix", "set AWS_ACCESS_KEY_ID"),
        ("run", "s3://bucket/prefix?endpoint_override=http://127.0.0.1:9", "cannot be reached"),
        ("run", "file://elsewhere/folder", "Unsupported hostname"),
        ("run", "file:///dev/null/folder", "cannot be reached"),
    ],
)
def test_one_line_and_nothing_left(
    command: str,
    uri: str,
    words: str,
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**s3.env, "XDG_CACHE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    assert main([command, "--storage", uri]) == 2
    assert time.monotonic() - started < 30, "it does not try again for minutes"
    out, told = capsys.readouterr()
    assert out == ""
    assert told.count("\n") == 1
    assert words in told
    assert "secret" not in told
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants none is asked all the same: whether it refuses is its own to say."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ObjectStore.open(f"s3://bucket/x?endpoint_override={s3.endpoint}")


def test_a_server_that_goes_away_and_comes_back(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    store = ObjectStore.open("s3://bucket/away")
    store.put_bytes("a", b"1")
    s3.stop()
    started = time.monotonic()
    with pytest.raises(OSError, match="NETWORK_CONNECTION"):
        store.put_bytes("a", b"2")
    assert time.monotonic() - started < 20
    with pytest.raises(UserError, match="cannot be reached"):
        ObjectStore.open("s3://bucket/away")
    s3.start()
    assert store.read("a") == b"1"
    store.put_bytes("a", b"3")
    assert store.read("a") == b"3"
    store.delete("a")
    assert store.list() == {}
