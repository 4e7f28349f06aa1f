"""A driver without Ray, in a process of its own: `a_driver.py URI race|hold|sweep|resume|look …`.

race AT: begins at that time. hold: writes until it is killed. sweep EPOCHS PLACE: pushes these,
does one more and ends, but waits for a line at its next write to PLACE. resume EPOCHS: does so many
more, and ends. look: prints how far the sweep is.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raysweep.errors import RaysweepError
from raysweep.storage.bucket import conditional
from raysweep.storage.bucket.lease import LeasePace
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.open_storage import Pace, open_storage

from bucket_workshop import HURRIED, Driver

PACE = Pace(LeasePace(beat_s=0.3, stale_s=3, settle_s=0.3), HURRIED.push)


def say(word: str) -> None:
    print(word, flush=True)


def stop_at(place: str) -> None:
    """At the next write to that place, wait for a line: whoever sends it has stopped us before."""
    armed = threading.Event()

    def guarded(write: Callable[..., Any]) -> Callable[..., Any]:
        def wait_and_write(self: Any, path: str, *data: Any) -> Any:
            beat = path == "replica.json" and place not in (path, "snapshot")
            if place in path and not beat and not armed.is_set():
                armed.set()
                say("writes")
                sys.stdin.readline()
            return write(self, path, *data)

        return wait_and_write

    ObjectStore._write = guarded(ObjectStore._write)  # type: ignore[method-assign]
    cloud: Any = conditional._CloudWrites
    cloud.put = guarded(cloud.put)


def drive(uri: str, command: str, *words: str) -> None:
    if command == "race":
        time.sleep(max(0, float(words[0]) - time.time()))
    with open_storage(uri, command, pace=PACE) as storage:
        if command == "hold":
            Driver(storage).step()
            say("holds")
            time.sleep(600)
        elif command == "sweep":
            driver = Driver(storage)
            for _ in range(int(words[0])):
                driver.step()
            while _look(uri)["epochs"] < int(words[0]):
                time.sleep(0.05)
            stop_at(words[1])
            driver.step()
            driver.end()
            time.sleep(600)
        elif command == "resume":
            driver = Driver.again(storage)
            for _ in range(int(words[0])):
                driver.step()
            driver.end()
        else:
            time.sleep(2)


def _look(uri: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        remote = Remote(ObjectStore.open(uri), Path(folder))
        lines = remote.read_changing("mine/journal.jsonl").splitlines()
        return {"epochs": len(lines), "ended": remote.has_ended("mine")}


def main(uri: str, command: str, *words: str) -> int:
    try:
        if command == "look":
            print(json.dumps(_look(uri)))
        else:
            drive(uri, command, *words)
    except RaysweepError as error:
        print(f"raysweep: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
