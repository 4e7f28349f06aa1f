"""localbucket with the conditional writes of S3: If-Match is honoured, each write alone.

    python strict_s3.py DATA_ROOT PORT [ignored|refused]

`ignored`: conditions are, as servers did before 2024. `refused`: a conditional write is answered
501 NotImplemented. What each request was, and how many bytes it brought, is in DATA_ROOT/requests.
"""

from __future__ import annotations

import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import localbucket

CONDITIONS = ("If-Match", "If-None-Match")


class StrictHandler(localbucket.S3Handler):  # type: ignore[misc]
    """One of S3's, which compares and writes under one lock."""

    conditions = "kept"
    log = threading.Lock()
    alone = threading.Lock()

    def _write_object(self, bucket: str, key: str, write: Any) -> str:
        asked = [name for name in CONDITIONS if name in self.headers]
        if asked and self.conditions == "refused":
            raise self._not_implemented_error()
        if self.conditions == "ignored":
            for name in asked:
                del self.headers[name]
        with self.alone:
            expected = self.headers.get("If-Match")
            if expected is not None:
                target = self._object_path(bucket, key)
                found = localbucket.object_etag(target) if target.is_file() else None
                if found is None or expected.strip('"') != found:
                    raise self._precondition_failed_error()
            etag: str = super()._write_object(bucket, key, write)
        return etag

    def do_GET(self) -> None:  # noqa: N802
        with self.alone:  # an object is read whole: a write meanwhile would cut it
            super().do_GET()

    def parse_request(self) -> bool:
        parsed: bool = super().parse_request()
        if parsed:
            with self.log, (self.data_root / "requests").open("a") as file:
                names = ("x-amz-decoded-content-length", "Content-Length")
                size = next((self.headers[name] for name in names if name in self.headers), 0)
                file.write(f"{self.command} {size} {self.path}\n")
        return parsed


def main(root: str, port: str, conditions: str = "kept") -> None:
    StrictHandler.data_root = Path(root).resolve()
    StrictHandler.conditions = conditions
    ThreadingHTTPServer(("127.0.0.1", int(port)), StrictHandler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
