"""torchvision's own download, from a test server on the loopback interface."""

from __future__ import annotations

import gc
import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torchvision

from raysweep.errors import DataError
from raysweep.ml import datasets, files

# torchvision leaves the sockets of failed requests to the garbage collector, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collect_sockets() -> Iterator[None]:
    """Collect them here, not in a later test."""
    yield
    gc.collect()


@pytest.fixture
def server(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror of the miniature MNIST, gzipped; the folder that it serves."""
    folder = mnist_root.parent / "mirror"
    folder.mkdir()
    resources = []
    for name in files.RAW_FILES:
        packed = gzip.compress((files.raw_folder("MNIST", mnist_root) / name).read_bytes())
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        use_mirror(monkeypatch, httpd.server_port)
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield folder
        httpd.shutdown()
        thread.join()


def use_mirror(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirrors = [f"http://127.0.0.1:{port}/"]
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", mirrors)


def test_absent_files_are_downloaded_into_the_root(
    server: Path, mnist_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "not there" / "yet"
    splits = datasets.load("MNIST", root, 50)
    assert splits.training.x.equal(datasets.load("MNIST", mnist_root, 50).training.x)
    assert files.digests("MNIST", root) == files.digests("MNIST", mnist_root)
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == sorted(files.RAW_FILES)


def test_a_missing_file_is_fetched_beside_those_there(server: Path, mnist_root: Path) -> None:
    before = files.digests("MNIST", mnist_root)
    (files.raw_folder("MNIST", mnist_root) / "t10k-labels-idx1-ubyte").unlink()
    datasets.load("MNIST", mnist_root, 50)
    assert files.digests("MNIST", mnist_root) == before


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_failed_download_says_what_to_do_and_leaves_nothing(
    fault: str, server: Path, tmp_path: Path
) -> None:
    last = server / "t10k-labels-idx1-ubyte.gz"  # three files have arrived by then
    last.unlink() if fault == "missing" else last.write_bytes(b"altered")
    root = tmp_path / "new" / "root"
    with pytest.raises(DataError) as error:
        datasets.download("MNIST", root)
    message = str(error.value)
    assert "\n" not in message and "train-images-idx3-ubyte" in message
    assert str(root / "MNIST" / "raw") in message
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".raysweep*"))


def test_a_silent_mirror_is_given_up_and_the_timeout_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, answers nothing
        use_mirror(monkeypatch, silent.getsockname()[1])
        before, start = socket.getdefaulttimeout(), time.monotonic()
        with pytest.raises(DataError, match="timed out"):
            datasets.download("MNIST", tmp_path / "root", timeout_s=0.2)
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() == before
    assert not (tmp_path / "root").exists()


def test_a_root_that_is_a_file(server: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.write_text("a file")
    with pytest.raises(DataError, match=r"data\.root"):
        datasets.download("MNIST", root)
    assert root.read_text() == "a file"


def test_digits_need_no_download(tmp_path: Path) -> None:
    datasets.download("digits", tmp_path / "root")
    assert not (tmp_path / "root").exists()
