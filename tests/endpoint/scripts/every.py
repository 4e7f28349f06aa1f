"""Runs scripts one after the other, each with a run of its own, and tells what the client reads
back of them all, as JSON in a file."""

import hashlib
import json
import os
import pathlib
import re
import runpy
import sys

import wandb

MADE_UP = re.compile(
    r"_[0-9a-f]{20}(?=[./])|(?<=artifact://)[^/]+|(?<=/artifact/)[0-9]+|(?<=-)[A-Za-z0-9_-]{6}(?=:v)"
)
"""What the client draws at random in a path, or what a server numbers."""

UNLIKE = re.compile(r"wandb-metadata\.json|requirements\.txt|output\.log|wandb-events|.*\.log$")
"""Files whose bytes differ from call to call."""

OF_STREAMS = {"wandb-events.jsonl", "output.log"}
"""Files that a server makes of what it was streamed, or not."""

VARYING = {"_timestamp", "_runtime", "_wandb"}


def main(told, *scripts):
    for script in scripts:
        os.environ["WANDB_RUN_ID"] = pathlib.Path(script).stem.replace("_", "-")
        sys.path.insert(0, str(pathlib.Path(script).parent))
        runpy.run_path(script, run_name="__main__")
        wandb.teardown()  # else the next one has this one's id, read once
    os.environ.pop("WANDB_RUN_ID")
    if told:
        pathlib.Path(told).write_text(json.dumps(read(), indent=1))


def read():
    api = wandb.Api()
    entity = api.default_entity
    runs = {run.id: of_run(api, run) for run in api.runs(f"{entity}/both")}
    artifacts = {}
    for kind in api.artifact_types("both"):
        for collection in kind.collections():
            for version in collection.artifacts():
                artifacts[version.name] = of_version(version)
    return {"runs": runs, "artifacts": artifacts}


def of_run(api, run):
    run.load(force=True)
    return {
        "said": [run.name, run.state, sorted(run.tags), run.notes, run.group, run.job_type],
        "config": run.config,
        "summary": plain(dict(run.summary)),
        "history": [flat(plain(row)) for row in run.history(pandas=False, samples=1000)],
        "scanned": [flat(plain(row)) for row in run.scan_history(page_size=3)],
        "files": sorted(
            [name_of(file.name), *bytes_of(file)]
            for file in run.files()
            if file.name not in OF_STREAMS
        ),
        "used": sorted(each.name for each in run.used_artifacts()),
        "logged": sorted(MADE_UP.sub("", each.name) for each in run.logged_artifacts()),
    }


def of_version(version):
    entries = version.manifest.entries
    whole = pathlib.Path(version.download(f"whole/{version.name}", skip_cache=True))
    return {
        "type": version.type,
        "digest": version.digest,
        "aliases": sorted(version.aliases),
        "description": version.description or "",
        "metadata": version.metadata,
        "size": version.size,
        "state": version.state,
        "file_count": version.file_count,
        "logged_by": version.logged_by().id,
        "used_by": sorted(run.id for run in version.used_by()),
        "entries": {
            path: [each.digest, each.size, plain(each.ref)] for path, each in entries.items()
        },
        "files": {
            str(path.relative_to(whole)): hashlib.md5(path.read_bytes()).hexdigest()
            for path in sorted(whole.rglob("*"))
            if path.is_file()
        },
    }


def name_of(path):
    return MADE_UP.sub("", path)


def bytes_of(file):
    if UNLIKE.match(file.name) or file.name in ("config.yaml", "wandb-summary.json"):
        return ["there"]
    with file.download("files", replace=True) as read:
        data = pathlib.Path(read.name).read_bytes()
    return [file.size, hashlib.md5(data).hexdigest()]


def flat(row, prefix=""):
    """Write nested keys with dots: a server may do that, and W&B's pages show them so."""
    out = {}
    for key, value in row.items():
        nested = isinstance(value, dict) and "_type" not in value
        out |= flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return out


def plain(value):
    """Leave out times and what is drawn at random."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {k: plain(v) for k, v in dict(value).items() if k not in VARYING}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return name_of(value) if isinstance(value, str) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
