"""What the endpoint holds in memory of a run that goes on for days is bounded."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pytest

from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.streamed import Streamed
from raysweep.tracking.endpoint.uploads import KEPT, Uploads
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.trackio.store import TrackioStore


def test_a_short_stream_is_kept_whole_and_a_line_may_come_again() -> None:
    stream = Streamed()
    stream.put(0, ["a\n", "10 %\n"])
    stream.put(1, ["100 %\n", "b\n"])
    assert (stream.text("never"), len(stream)) == ("a\n100 %\nb\n", 3)


def test_of_a_long_stream_the_beginning_and_the_end_are_kept() -> None:
    stream = Streamed(most=1000)
    lines = [f"line {number:05}\n" for number in range(10_000)]
    for number, line in enumerate(lines):
        stream.put(number, [line])
    stream.put(9_999, ["the last\n"])
    stream.put(5_000, ["of one that was dropped\n"])
    text = stream.text("[{count} left out]\n")
    assert len(stream) == 10_000
    head, _, tail = text.partition("[9,910 left out]\n")
    assert head == "".join(lines[:45])
    assert tail.splitlines()[-1] == "the last"
    assert text.count("line") + 1 + 9_910 == 10_000
    assert len(text) < 1_030


def test_urls_do_not_pile_up(tmp_path: Path) -> None:
    store = TrackioStore(tmp_path / "tracker", "mine")
    uploads, came = Uploads(), list[str]()
    urls = [uploads.put_url(store, "a.txt", lambda got: came.append(got.digest)) for _ in range(2)]
    keys = [url.removeprefix("/storage/") for url in urls]
    for _ in range(2):  # an answer was lost
        uploads.put(keys[0], BytesIO(b"abc"), 3, tmp_path)
    digest = hashlib.sha256(b"abc").hexdigest()
    assert came == [digest, digest]
    for number in range(KEPT + 10):
        url = uploads.put_url(store, f"{number}.txt", lambda got: None)
        uploads.put(url.removeprefix("/storage/"), BytesIO(b"abc"), 3, tmp_path)
        url = uploads.get_url_of_text("manifest", b"text")
    assert b"".join(uploads.get(url.removeprefix("/storage/"))) == b"text"
    with pytest.raises(Refusal, match="no such upload URL"):
        uploads.put(keys[0], BytesIO(b"abc"), 3, tmp_path)
    uploads.put(keys[1], BytesIO(b"abc"), 3, tmp_path)  # one that was never used is still good
    file = ArtifactFile("in/it é.txt", digest, 3)
    found = {uploads.get_url(store, file) for _ in range(1000)}
    (url,) = found  # signed, with nothing kept for it
    assert b"".join(uploads.get(url.removeprefix("/storage/"))) == b"abc"
    for wrong in (url.replace(digest[:8], "00000000"), "/storage/0/x", "/storage/x"):
        with pytest.raises(Refusal, match="no such download URL"):
            uploads.get(wrong.removeprefix("/storage/"))
    held = [each for each in vars(uploads).values() if isinstance(each, (dict, list))]
    assert max(map(len, held)) <= KEPT + 1
