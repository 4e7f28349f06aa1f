"""A folder at a URI (`s3://bucket/prefix`), through pyarrow's filesystems: whole files, in and out.

pyarrow is imported lazily, when a URI is opened: it takes 0.2 s.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from raysweep.addresses import refuse_keys, without_keys
from raysweep.errors import UserError
from raysweep.paths import safe_join

CHUNK_BYTES = 8 * 2**20
AT_ONCE = 8
"""Concurrent transfers: a small file takes one round trip, whatever else is transferred."""

CONNECT_TIMEOUT_S = 5
ATTEMPTS = 3
"""Attempts of pyarrow's S3 client: with the timeout above, about 20 s if nothing answers."""

GCS_RETRY_S = 10

_PUTS_WHOLE = ("s3", "gcs", "abfs")  # a write there is atomic
_S3_OPTIONS = ("region", "scheme", "endpoint_override", "force_virtual_addressing")


class ObjectStore:
    """The files below a URI, by their paths relative to it.

    Methods raise pyarrow's OSError, for example if the network is down or the key is refused.
    """

    def __init__(self, uri: str, filesystem: Any, root: str) -> None:
        self.uri = uri
        self.moved_at = time.monotonic()
        """When bytes were last transferred: distinguishes a slow transfer from a hung one."""
        self.given_up = False
        """If set, all writes are refused: a push that hung must not complete after other processes
        have written."""
        self.guard: Callable[[], None] = lambda: None
        """Called before each write. Raises OSError if this process may no longer write."""
        self.kind = str(filesystem.type_name)
        """pyarrow's name of the file system: `s3`, `gcs`, `abfs`, `local`, `hdfs`."""
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._beside = filesystem.type_name not in _PUTS_WHOLE
        self._is_folder = filesystem.type_name == "local"

    @property
    def root(self) -> str:
        """The bucket's name and the prefix, or the folder's path."""
        return self._root

    @staticmethod
    def open(uri: str) -> ObjectStore:
        """Open a URI. Raises UserError if it is invalid, contains a key, names a bucket that does
        not exist, or is unreachable."""
        refuse_keys("--storage", uri)
        try:
            filesystem, root = _filesystem(uri)
            store = ObjectStore(uri, filesystem, root)
            store._must_be_there()
        except (ValueError, NotImplementedError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise UserError(
                f"--storage {without_keys(uri)}: {why(error)}; write s3://bucket/prefix, or "
                "another URI that pyarrow's filesystems know (docs/cluster.md)"
            ) from error
        except (OSError, ImportError) as error:
            raise unreachable(uri, error) from error
        return store

    def list(self, below: str = "") -> dict[str, int]:
        """Map every file below the URI, or below that folder of it, to its size in bytes."""
        from pyarrow.fs import FileSelector, FileType

        folder = self._path(below) if below else self._root
        selector = FileSelector(folder, recursive=True, allow_not_found=True)
        found = self._filesystem.get_file_info(selector)
        start = len(self._root) + 1
        return {each.path[start:]: each.size for each in found if each.type == FileType.File}

    def read(self, path: str) -> bytes | None:
        """Read a small file; None if it does not exist."""
        try:
            with self._filesystem.open_input_stream(self._path(path)) as stream:
                data: bytes = stream.read()
        except FileNotFoundError:
            return None
        self.moved_at = time.monotonic()
        return data

    def get(self, path: str, target: Path) -> None:
        """Download a file atomically to `target`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".partial.{target.name}")
        try:
            with (
                self._filesystem.open_input_stream(self._path(path)) as stream,
                partial.open("wb") as file,
            ):
                self._copy(stream.read, file.write)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def put(self, path: str, source: Path) -> None:
        """Upload a file atomically: a reader sees the old or the new file."""
        self.guard()
        with source.open("rb") as file:
            self._write(path, file.read)

    def put_bytes(self, path: str, data: bytes) -> None:
        """Upload bytes as `put` does."""
        self.guard()
        self.overwrite(path, data)

    def overwrite(self, path: str, data: bytes) -> None:
        """Upload bytes as `put` does, without the check of the lease, which itself uses this."""
        parts = iter([data])
        self._write(path, lambda _: next(parts, b""))

    def delete(self, path: str) -> None:
        """Remove a file, if it exists.

        After the last file of a folder pyarrow's S3 client writes an empty object in place of the
        folder, which a server may refuse; that does not matter if the file is removed.
        """
        self.guard()
        try:
            self._filesystem.delete_file(self._path(path))
        except FileNotFoundError:
            pass
        except OSError:
            from pyarrow.fs import FileType

            if self._filesystem.get_file_info(self._path(path)).type != FileType.NotFound:
                raise

    def _write(self, path: str, read: Callable[[int], bytes]) -> None:
        if self.given_up:
            raise OSError(f"{self.uri}: the push was abandoned")
        target = self._path(path)
        place = target
        if self._beside:
            above, slash, name = path.rpartition("/")
            place = self._path(f"{above}{slash}.partial.{name}")
            self._filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        with self._filesystem.open_output_stream(place) as stream:
            self._copy(read, stream.write)
        if self._beside:
            self._filesystem.move(place, target)

    def _copy(self, read: Callable[[int], bytes], write: Callable[[bytes], Any]) -> None:
        while chunk := read(CHUNK_BYTES):
            write(chunk)
            self.moved_at = time.monotonic()

    def _path(self, path: str) -> str:
        """Resolve a path; in a folder (`file://…`), which others may write to, refuse links that
        lead out of it."""
        if self._is_folder:
            return str(safe_join(Path(self._root), path, self.uri))
        return f"{self._root}/{path}" if self._root else path

    def _must_be_there(self) -> None:
        """Check that the bucket exists. In other file systems folders are made when needed."""
        from pyarrow.fs import FileType

        if self._beside:
            self._filesystem.get_file_info(self._root)
            return
        bucket = self._root.partition("/")[0]
        if self._filesystem.get_file_info(bucket).type == FileType.NotFound:
            raise UserError(
                f"--storage {self.uri}: there is no bucket {bucket}; create it, or name another"
            )


def unreachable(uri: str, error: Exception) -> UserError:
    """Make a UserError of one line from pyarrow's error of several."""
    return UserError(
        f"--storage {without_keys(uri)}: cannot be reached ({why(error)}); check the URI, the "
        "network and the credentials (docs/cluster.md)"
    )


def why(error: BaseException) -> str:
    """Return the first line of an error, shortened."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "…"


def _filesystem(uri: str) -> tuple[Any, str]:
    if any(each in PurePosixPath(uri).parts for each in ("..", ".")):
        raise ValueError("it has . or .. in it")
    if uri.startswith("s3:"):
        return _s3(uri)
    from pyarrow.fs import FileSystem

    if uri.startswith("gs:") and "retry_limit_seconds" not in uri:  # else 15 min
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={GCS_RETRY_S}"
    filesystem, root = FileSystem.from_uri(uri)
    return filesystem, str(root)


def _s3(uri: str) -> tuple[Any, str]:
    """Open S3, or a compatible server, with timeouts.

    `FileSystem.from_uri` takes no timeouts. Options come from the URI's query, the endpoint also
    from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, credentials from where AWS's own tools look.
    """
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    parts = urlsplit(uri)
    filesystem = S3FileSystem(
        **s3_options(uri),
        connect_timeout=CONNECT_TIMEOUT_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        allow_delayed_open=True,  # a small file takes one request instead of three
    )
    return filesystem, parts.netloc + parts.path


def s3_options(uri: str) -> dict[str, Any]:
    """Parse region, endpoint and other options of an S3 URI. Raises ValueError without a bucket."""
    parts = urlsplit(uri)
    if not parts.netloc or not uri.startswith("s3://"):
        raise ValueError("no bucket is named: write s3://bucket/prefix")
    options: dict[str, Any] = dict(_s3_options(parse_qsl(parts.query, strict_parsing=True)))
    endpoint = options.pop("endpoint_override", None) or _endpoint()
    refuse_keys("AWS_ENDPOINT_URL", endpoint)
    if endpoint:
        scheme, _, host = endpoint.rpartition("://")
        options["endpoint_override"] = host.rstrip("/")
        options.setdefault("scheme", scheme or "https")
    options["region"] = options.get("region") or _region(parts.netloc, bool(endpoint))
    return options


def _s3_options(query: Iterable[tuple[str, str]]) -> Iterable[tuple[str, Any]]:
    for name, value in query:
        if name not in _S3_OPTIONS:
            raise ValueError(f"unknown option {name}; known: {', '.join(_S3_OPTIONS)}")
        yield name, value == "true" if name == "force_virtual_addressing" else value


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _region(bucket: str, elsewhere: bool) -> str:
    """Return the bucket's region. Servers other than AWS accept any region."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if named or elsewhere:
        return named or "us-east-1"
    from pyarrow.fs import resolve_s3_region

    return str(resolve_s3_region(bucket))
