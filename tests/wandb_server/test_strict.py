"""What no client sends is an error, and fails the test that caused it."""

from __future__ import annotations

import urllib.error

import pytest

from wandb_server import execution, lent
from wandb_server.errors import Violation
from wandb_server.faults import status
from wandb_server.raw import CREATE, Raw, refusal


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("query Q { viewer { id shoeSize } }", "shoeSize"),
        ("query Q { weather }", "weather"),
        ('query Q { project(name: "p", colour: "red") { id } }', "colour"),
        ("mutation M { dropAllTables }", "dropAllTables"),
        ("query { viewer { id } }", "not one named operation"),
        ("query Q { viewer { id }", "not GraphQL"),
    ],
)
def test_an_unknown_operation_field_or_argument(raw, server, query, what):
    with pytest.raises(urllib.error.HTTPError) as caught:
        raw.ask(query)
    assert what in refusal(caught.value)[1]
    (violation,) = server.take_violations()
    assert what in violation


def test_a_field_that_the_client_leaves_null_has_no_meaning_here(raw, server):
    artifact = {
        "artifactTypeName": "dataset",
        "artifactCollectionName": "a",
        "digest": "0",
        "digestAlgorithm": "MANIFEST_MD5",
        "clientID": "1",
        "sequenceClientID": "1",
        "enableDigestDeduplication": True,
        "storageRegion": None,
    }
    raw.ask(CREATE, input=raw.place | artifact)
    with pytest.raises(urllib.error.HTTPError):
        raw.ask(CREATE, input=raw.place | artifact | {"storageRegion": "north"})
    (violation,) = server.take_violations()
    assert "north" in violation


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("/graphql", "GET"), ("/storage/x/y", "PUT")]
)
def test_an_unknown_route(raw, server, path, method):
    with pytest.raises(urllib.error.HTTPError) as caught:
        raw.send(path, b"", method)
    caught.value.close()
    assert len(server.take_violations()) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"colour": "red"},
        {"files": {"wandb-history.jsonl": {"offset": 1, "content": ["{}"]}}},
        {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["[1]"]}}},
        {"files": {"diary.txt": {"offset": 0, "content": ["dear"]}}},
    ],
    ids=["key", "gap", "row", "file"],
)
def test_an_unknown_message_of_the_file_stream(raw, server, message):
    with pytest.raises(urllib.error.HTTPError) as caught:
        raw.stream(**message)
    caught.value.close()
    assert len(server.take_violations()) == 1


def test_an_answer_that_the_clients_own_model_refuses():
    good = {"artifact": {"currentManifest": {"file": {"directUrl": "http://here"}}}}
    execution.check_answer("FetchArtifactManifest", good)
    bad = {"artifact": {"currentManifest": {"file": {"directUrl": None}}}}
    with pytest.raises(Violation, match="directUrl"):
        execution.check_answer("FetchArtifactManifest", bad)


def test_what_the_server_met_fails_the_test(project):
    with pytest.raises(AssertionError, match="weather"), lent() as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            Raw(server, project).ask("query Q { weather }")
        caught.value.close()


def test_a_fault_that_nothing_met_fails_the_test():
    with pytest.raises(AssertionError, match="never met"), lent() as server:
        server.inject("UpsertBucket", status(500))
