"""An S3 server of which somebody else chose the keys: it lists them as they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@contextmanager
def serving(objects: Mapping[str, bytes]) -> Iterator[str]:
    """Serve `objects` (key → bytes) as the bucket `bucket`, read-only; the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            bucket, _, key = unquote(url.path).lstrip("/").partition("/")
            if key:
                self._answer(200 if key in objects else 404, objects.get(key, b""))
            else:
                prefix = parse_qs(url.query).get("prefix", [""])[0]
                self._answer(200, _listing(bucket, objects, prefix).encode(), "application/xml")

        def do_HEAD(self) -> None:
            key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]
            self._answer(200 if not key or key in objects else 404, b"")

        def _answer(self, status: int, body: bytes, kind: str = "binary/octet-stream") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _listing(bucket: str, objects: Mapping[str, bytes], prefix: str) -> str:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>x</ETag>"
        "<LastModified>2026-11-23T09:15:00.000Z</LastModified></Contents>"
        for key, data in objects.items()
        if key.startswith(prefix)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(objects)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    )
