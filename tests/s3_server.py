"""An S3 server of this machine, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 30
_SERVER = Path(__file__).with_name("strict_s3.py")


@dataclass(frozen=True)
class Request:
    """`size`: of what was sent, in bytes."""

    verb: str
    size: int
    path: str


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass
class S3Server:
    """localbucket (`strict_s3`): a bucket is a folder of `data`, an object a file. `env` leads a
    client to it. `conditions`: whether conditional writes are kept, ignored or refused."""

    data: Path
    port: int
    conditions: str = "kept"
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret"}
        return {**keys, "AWS_ENDPOINT_URL": self.endpoint}

    def start(self) -> None:
        (self.data / "bucket").mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(_SERVER), str(self.data), str(self.port), self.conditions],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the S3 server did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def requests(self) -> list[Request]:
        """All so far, oldest first."""
        lines = (line.split(" ", 2) for line in (self.data / "requests").read_text().splitlines())
        return [Request(verb, int(size), path) for verb, size, path in lines]

    def keys(self, prefix: str) -> set[str]:
        """The objects below the prefix, relative to it."""
        folder = self.data / "bucket" / prefix
        return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
