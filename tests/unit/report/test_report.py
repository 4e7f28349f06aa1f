"""`report`: what it writes, where, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from raysweep import cli, write_report
from raysweep.errors import UserError

from recorded_sweep import MARKUP, record


def data_of(page: Path) -> dict[str, Any]:
    """What the page's scripts read."""
    found = re.search(r'id="packed-data">([A-Za-z0-9+/=]+)<', page.read_text())
    assert found is not None
    told: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return told


def test_the_page_is_one_file_that_names_no_server(tmp_path: Path) -> None:
    folder = record(tmp_path / "runs", "one", ["completed", "failed"], markup=True)
    page = write_report(storage=tmp_path / "runs")
    assert page == folder.path / "report.html"
    text = page.read_text()
    scripts, own = text.split('<script type="text/plain" id="packed-library">')
    assert "default-src 'none'" in scripts, "the browser would refuse any request"
    assert MARKUP not in text
    assert "https://" not in scripts + own.partition("<script>")[2]
    told = data_of(page)
    (sweep,) = told["sweeps"]
    assert [trial["st"] for trial in told["trials"]] == ["completed", "failed"]
    captions = [picture["caption"] for picture in sweep["pictures"][0]["items"]]
    assert captions == ["predicted 4, is 0", "predicted 1, is 7"], "the hardest first"
    assert sweep["tables"][0]["matrix"] is True
    assert {node["name"] for node in sweep["lineage"]["nodes"] if node["focus"]} == {
        "trained-model:v0"
    }
    assert sweep["versions"]["ray"] == "2.54.1"
    assert [stage["cached"] for stage in sweep["stages"]] == [True, False]
    assert {node["node"] for node in sweep["nodes"]} == {"one"}


def test_the_command_says_where_the_page_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    storage = tmp_path / "runs"
    for name in ("first", "second"):
        record(storage, name, ["completed", "running"], ended=False)
    page = tmp_path / "new" / "both.html"
    arguments = ["report", "--storage", str(storage), "--no-browser"]
    assert cli.main([*arguments, "first", "second", "--output", str(page)]) == 0
    assert capfd.readouterr().out == f"{page}\n"
    assert [sweep["name"] for sweep in data_of(page)["sweeps"]] == ["first", "second"]
    assert cli.main([*arguments, "first", "--json"]) == 0
    usual = storage / "first" / "report.html"
    answer = json.loads(capfd.readouterr().out)
    assert answer == {"report": str(usual), "bytes": usual.stat().st_size}
    assert len(data_of(usual)["trials"]) == 2, "of a sweep without an end, as far as it came"


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    record(storage, "one", [])
    with pytest.raises(UserError, match="no sweep named two"):
        write_report("two", storage=storage)
    with pytest.raises(UserError, match=r"is a folder; name a file, such as .*report\.html"):
        write_report("one", storage=storage, output=tmp_path)
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(UserError, match="choose a file with --output"):
        write_report("one", storage=storage, output=in_the_way / "report.html")
    assert not (storage / "one" / "report.html").exists()


def test_a_sweep_that_w_and_b_alone_has_is_shown_from_its_journal(tmp_path: Path) -> None:
    folder = record(tmp_path, "one", ["completed", "stopped"], ended=False)
    (kept,) = tmp_path.glob("*/sweep.json")
    kept.write_text(kept.read_text().replace('"trackio"', '"wandb"'))
    told = data_of(write_report("one", storage=tmp_path))
    assert told["sweeps"][0]["tracker"] == "wandb"
    assert [trial["st"] for trial in told["trials"]] == ["completed", "stopped"]
    assert not (tmp_path / "tracker").exists()
    assert folder.result() is None
