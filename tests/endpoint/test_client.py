"""What an unmodified client says to the endpoint is kept, and what it asks for is answered."""

from __future__ import annotations

import http.client
import json
import math
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from raysweep.tracking.store import ClientMedia

EVERYTHING = """
import json
import numpy as np
import wandb

run = wandb.init(project="all", id="all", name="first", config={"lr": 0.1, "model": {"width": 8}},
                 tags=["a"], notes="some notes", group="g", job_type="train")
run.define_metric("loss", summary="min")
for i in range(4):
    run.log({"loss": [3.0, 1.0, 2.0, 4.0][i], "word": f"w{i}", "deep": {"er": i}}, step=2 * i)
    run.log({"late": i}, step=2 * i)
run.log({"nan": float("nan"), "inf": float("inf")}, step=10)
picture = wandb.Image(np.zeros((8, 8), np.uint8), caption="black")
run.log({"one": picture, "many": [picture, picture], "hist": wandb.Histogram([1, 2, 2]),
         "table": wandb.Table(columns=["a", "b"], data=[[1, "x"]]), "html": wandb.Html("<b>x</b>")},
        step=11)
run.config.update({"late": [1, 2]})
run.name, run.tags, run.notes = "second", ("a", "b"), "other notes"
open("saved.txt", "w").write("kept")
run.save("saved.txt")
run.summary["done"] = True
run.alert("a title", "a text")
run.finish()
"""

READS = """
import json
import wandb

run = wandb.Api().run("raysweep/all/all")
rows = run.history(pandas=False)
print(json.dumps([run.name, run.state, run.tags, run.notes, run.group, run.job_type, run.config]))
print(json.dumps(rows[:2]))
print(json.dumps([dict(run.summary["loss"]), run.summary["done"], run.summary["one"]["caption"]]))
print(json.dumps(sorted(file.name for file in run.files())))
run.file("saved.txt").download(replace=True)
print(open("saved.txt").read())
print([found.id for found in wandb.Api().runs("raysweep/all", {"config.lr": {"$gt": 0.05}})])
print([found.id for found in wandb.Api().runs("raysweep/all", {"state": "failed"})])
"""

ARTIFACTS = """
import json
import wandb

with wandb.init(project="files", id="maker", job_type="make") as run:
    for text in ("one", "two", "two"):
        made = wandb.Artifact("data", type="dataset", description="some", metadata={"n": [1]})
        with made.new_file("folder/f.txt") as file:
            file.write(text)
        made.add_reference("https://example.org/big.bin", checksum=False)
        run.log_artifact(made, aliases=[text]).wait()
        print(made.version)
with wandb.init(project="files", id="user") as run:
    for ref in ("data:latest", "data:one", "data:v1"):
        used = run.use_artifact(ref)
        path = used.get_entry("folder/f.txt").download()
        print(used.version, open(path).read(), used.metadata, used.type, sorted(used.aliases))
    print([entry.ref for entry in used.manifest.entries.values() if entry.ref])
    more = used.new_draft()
    with more.new_file("another.txt") as file:
        file.write("more")
    run.log_artifact(more).wait()
    used.aliases.append("mine")
    used.save()
    try:
        run.use_artifact("nothing:latest")
    except Exception as error:
        print(type(error).__name__)
api = wandb.Api()
data = api.artifact("raysweep/files/data:mine", type="dataset")
print(data.logged_by().id, [run.id for run in data.used_by()], data.version, data.size)
print([each.version for each in api.artifacts("dataset", "raysweep/files/data")])
print([a.name for a in api.run("raysweep/files/user").used_artifacts()])
folder = data.download("whole")
print(open(folder + "/folder/f.txt").read())
"""


def test_all_that_a_script_says_is_kept(behind, printed):
    printed(EVERYTHING)
    store = behind.store("all")
    (run,) = store.runs()
    assert (run.id, run.name, run.state, run.group, run.job_type) == (
        "all",
        "second",
        "finished",
        "g",
        "train",
    )
    assert run.tags == ("a", "b")
    assert run.attributes["notes"] == "other notes"
    assert run.config == {"lr": 0.1, "model": {"width": 8}, "late": [1, 2]}
    assert run.summary["loss"] == {"min": 1.0}
    assert run.summary["done"] is True
    rows = {row["step"]: row for row in store.history("all")}
    assert [rows[2 * i]["loss"] for i in range(4)] == [3.0, 1.0, 2.0, 4.0]
    assert [rows[2 * i]["late"] for i in range(4)] == [0, 1, 2, 3]
    assert (rows[6]["word"], rows[6]["deep.er"]) == ("w3", 3)
    assert math.isnan(rows[10]["nan"])
    assert rows[10]["inf"] == math.inf
    media = {key: value for row in store.rows("all") for key, value in row.media.items()}
    assert media.keys() == {"one", "many", "hist", "table", "html"}
    assert all(isinstance(value, ClientMedia) for value in media.values())
    assert media["hist"].value["_type"] == "histogram"
    files = {file.path: file for file in store.files("all")}
    assert media["one"].value["path"] in files
    assert {"saved.txt", "output.log"} <= files.keys()
    assert Path(store.blob_path(files["saved.txt"].digest)).read_text() == "kept"
    assert behind.lines[0] == "alert: a title: a text"


def test_rows_are_heard_in_order(behind):
    heard = [row["loss"] for run, row in behind.rows if run == "all" and "loss" in row]
    assert heard == [3.0, 1.0, 2.0, 4.0]


def test_the_public_api_reads_a_run_back(printed):
    lines = printed(READS)
    told = [json.loads(line) for line in lines[:4]]
    name, state, tags, notes, group, job_type, config = told[0]
    assert (name, state, tags, notes) == ("second", "finished", ["a", "b"], "other notes")
    assert (group, job_type) == ("g", "train")
    assert config == {"lr": 0.1, "model": {"width": 8}, "late": [1, 2]}
    assert [(row["_step"], row["loss"], row["late"]) for row in told[1]] == [(0, 3, 0), (2, 1, 1)]
    assert told[2] == [{"min": 1}, True, "black"]
    assert "saved.txt" in told[3]
    assert lines[4:] == ["kept", "['all']", "[]"]


def test_artifacts_have_versions_aliases_and_lineage(behind, printed):
    told = printed(ARTIFACTS)
    assert told[:3] == ["v0", "v1", "v1"]
    assert told[3] == "v1 two {'n': [1]} dataset ['latest', 'two']"
    assert told[4] == "v0 one {'n': [1]} dataset ['one']"
    assert told[5].startswith("v1 two")
    assert told[6] == "['https://example.org/big.bin']"
    assert told[7] == "CommError"
    assert told[8] == "maker ['user'] v1 3"
    assert told[9] == "['v2', 'v1', 'v0']"
    assert told[10] == "['data:v1', 'data:v0']"
    assert told[11] == "two"
    store = behind.store("files")
    assert [version.version for version in store.versions("data")] == ["v0", "v1", "v2"]
    third = {file.path for file in store.artifact("data:v2").files}
    assert third == {"another.txt", "folder/f.txt", "metadata.json"}
    edges = set(store.lineage("data:v2").edges)
    assert {("run:maker", "artifact:data:v1"), ("run:user", "artifact:data:v2")} <= edges


def test_several_runs_of_a_process_and_one_that_fails(behind):
    behind.run(
        "import wandb\n"
        "for i in range(2):\n"
        "    run = wandb.init(project='several', id=f'r{i}'); run.log({'x': i}); run.finish()\n"
        "wandb.init(project='several', id='bad'); wandb.log({'x': 5}); raise ValueError('no')",
        fails=True,
    )
    store = behind.store("several")
    assert [(run.id, run.state) for run in store.runs()] == [
        ("r0", "finished"),
        ("r1", "finished"),
        ("bad", "failed"),
    ]
    assert [row["x"] for row in store.history("bad")] == [5]


def test_a_stop_reaches_the_script_as_a_keyboard_interrupt(behind):
    script = (
        "import wandb, time\n"
        "run = wandb.init(project='stops', id='stops')\n"
        "try:\n"
        "    while True: run.log({'x': 1}); time.sleep(0.1)\n"
        "finally:\n"
        "    run.summary['saved'] = True\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], env=behind.environ())
    _until(lambda: behind.endpoint.run("stops") and behind.store("stops").history("stops"))
    behind.endpoint.run("stops").stop_requested.set()
    assert process.wait(60) != 0
    (run,) = behind.store("stops").runs()
    assert run.summary["saved"] is True
    assert run.state == "failed"


def test_a_killed_script_leaves_what_it_had_sent(behind):
    script = (
        "import wandb, time\n"
        "run = wandb.init(project='killed', id='killed')\n"
        "for i in range(1000): run.log({'x': i}); time.sleep(0.05)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=behind.environ(), start_new_session=True
    )
    _until(lambda: behind.endpoint.run("killed") and behind.store("killed").history("killed"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    behind.endpoint.close_runs(137)
    (run,) = behind.store("killed").runs()
    assert run.state == "failed"
    xs = [row["x"] for row in behind.store("killed").history("killed")]
    assert xs == list(range(len(xs)))


def test_a_wrong_key_is_refused(behind):
    request = urllib.request.Request(
        f"{behind.endpoint.url}/graphql", b"{}", {"Authorization": "Basic bm90OmtleQ=="}
    )
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{behind.endpoint.url}/storage/guess/file", timeout=10)


def test_a_refused_upload_is_not_read_as_the_next_request(behind):
    connection = http.client.HTTPConnection(behind.endpoint.url.removeprefix("http://"), timeout=10)
    connection.request("PUT", "/storage/guess/file", b"POST /graphql HTTP/1.1\r\n\r\n")
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:10]) == (404, b'{"errors":')
    assert answer.will_close
    connection.close()


def test_the_clients_telemetry_is_taken_without_a_key(behind):
    """The client prints that it was refused."""
    url = f"{behind.endpoint.url}/sdk/otel/v1/metrics"
    with urllib.request.urlopen(url, data=b"anything", timeout=10) as answer:
        assert answer.status == 200


def _until(true, timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
