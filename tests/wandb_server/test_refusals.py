"""What breaks a rule is refused, and changes nothing; that is no fault of the client's."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable

import pytest

from wandb_server.raw import STATE, USE, Raw, manifest_of, refusal


def refused(call: Callable[..., object], *arguments: object, **named: object) -> tuple[int, str]:
    """Status and message."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(*arguments, **named)
    return refusal(caught.value)


def test_a_wrong_key(raw, server, project):
    assert refused(raw.send, "/graphql", b"{}", key="0" * 40) == (401, "invalid API key")
    assert refused(raw.send, "/files/a/b/c/file_stream", b"{}", key="0" * 40)[0] == 401


def test_a_strangers_entity_and_a_run_that_is_not_there(server, project):
    stranger = Raw(server, project)
    stranger.place["entityName"] = "stranger"
    assert refused(stranger.start)[0] == 403
    assert refused(Raw(server, project).stream, complete=True, exitcode=0)[0] == 404


def test_bytes_with_another_md5(raw):
    artifact = raw.create("a", b"good")
    url = raw.upload_url(artifact, b"good")
    assert "BadDigest" in refused(raw.send, url, b"evil", "PUT")[1]
    headers = {"Content-MD5": "XUFAKrxLKna5cZ2REBfFkg=="}
    assert "BadDigest" in refused(raw.send, url, b"good", "PUT", headers=headers)[1]
    raw.send(url, b"good", "PUT")


def test_a_commit_with_something_missing(raw, server, project):
    artifact = raw.create("a", b"data")
    assert "no manifest" in refused(raw.commit, artifact)[1]
    raw.add_manifest(artifact, manifest_of(b"data"))
    assert "file f" in refused(raw.commit, artifact)[1]
    raw.send(raw.upload_url(artifact, b"data"), b"data", "PUT")
    raw.add_manifest(artifact, manifest_of(b"data", size=3))
    assert "file f" in refused(raw.commit, artifact)[1]
    assert server.state.projects[project].artifact("a:latest") is None

    raw.add_manifest(artifact, manifest_of(b"data"))
    assert raw.commit(artifact) == 0
    assert raw.commit(artifact) == 0  # said twice is done once
    assert "cannot change" in refused(raw.add_manifest, artifact, manifest_of(b"other"))[1]


def test_a_manifest_that_is_not_the_artifacts(raw):
    artifact = raw.create("a", b"one")
    raw.send(raw.upload_url(artifact, b"two"), b"two", "PUT")
    raw.add_manifest(artifact, manifest_of(b"two"))
    assert "digest" in refused(raw.commit, artifact)[1]


def test_an_artifact_that_is_used_before_it_is_committed(raw):
    artifact = raw.create("a", b"data")
    use = raw.place | {"artifactID": artifact}
    assert "cannot be used" in refused(raw.ask, USE, input=use)[1]
    assert refused(raw.ask, USE, input=use | {"artifactID": "QQ=="})[0] == 404


def test_a_name_of_another_type(raw):
    raw.log("a", b"data")
    assert "of type dataset" in refused(raw.create, "a", b"more", type="model")[1]


def test_a_state_that_a_run_cannot_take(raw):
    run = raw.start()["bucket"]["id"]
    raw.stream(complete=True, exitcode=0)
    for state in ("failed", "pending", "finished"):
        assert refused(raw.ask, STATE, input={"id": run, "state": state})[0] == 400


def test_bytes_that_are_known_need_no_upload(raw):
    assert raw.log("a", b"data") == 0
    assert raw.upload_url(raw.create("b", b"data"), b"data") is None
    assert raw.log("b", b"data") == 0
