from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import pytest

from raysweep.errors import DataError
from raysweep.ml import files

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def raw(root: Path) -> Path:
    return root / "MNIST" / "raw"


def pack(path: Path) -> None:
    """Replace a file by its gzipped self."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_whole_files_are_present(mnist_root: Path) -> None:
    assert files.dataset_state("MNIST", mnist_root) == "present"


def test_gzipped_files_are_present_too(mnist_root: Path) -> None:
    for name in files.RAW_FILES:
        pack(raw(mnist_root) / name)
    assert files.dataset_state("MNIST", mnist_root) == "present"


def test_nothing_there_or_one_missing_is_absent(mnist_root: Path, tmp_path: Path) -> None:
    assert files.dataset_state("MNIST", tmp_path / "nowhere") == "absent"
    assert files.dataset_state("KMNIST", mnist_root) == "absent"
    (raw(mnist_root) / LABELS).unlink()
    assert files.dataset_state("MNIST", mnist_root) == "absent"


def test_digits_are_always_present(tmp_path: Path) -> None:
    assert files.dataset_state("digits", tmp_path / "nowhere") == "present"


@pytest.mark.parametrize("name", ["CIFAR10", "EMNIST", "QMNIST", "mnist", "../MNIST"])
def test_an_unknown_data_set_lists_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="MNIST, FashionMNIST, KMNIST, digits") as error:
        files.dataset_state(name, tmp_path)
    assert repr(name) in one_line(error)


def test_a_truncated_file_is_named_with_both_sizes(mnist_root: Path) -> None:
    path = raw(mnist_root) / IMAGES
    path.write_bytes(path.read_bytes()[:1000])
    (raw(mnist_root) / LABELS).unlink()  # damaged goes before absent
    with pytest.raises(DataError) as error:
        files.dataset_state("MNIST", mnist_root)
    message = one_line(error)
    assert str(path) in message and "1000 bytes" in message and str(16 + 60 * 28 * 28) in message


def test_a_file_that_is_too_long_is_refused(mnist_root: Path) -> None:
    with (raw(mnist_root) / LABELS).open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="69 bytes, but its header promises 68"):
        files.dataset_state("MNIST", mnist_root)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"<html>404 Not Found</html>"])
def test_what_is_no_idx_file_is_refused(content: bytes, mnist_root: Path) -> None:
    (raw(mnist_root) / IMAGES).write_bytes(content)
    with pytest.raises(
        DataError, match="an IDX file of 3 dimensions starts with 00000803"
    ) as error:
        files.dataset_state("MNIST", mnist_root)
    assert IMAGES in one_line(error)


@pytest.mark.parametrize("kept", [5, 30, -5])
def test_a_truncated_gzip_file_is_refused(kept: int, mnist_root: Path) -> None:
    path = raw(mnist_root) / IMAGES
    pack(path)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(packed.read_bytes()[:kept])
    with pytest.raises(DataError) as error:
        files.dataset_state("MNIST", mnist_root)
    assert str(packed) in one_line(error)


def test_a_file_of_the_wrong_kind_is_refused(mnist_root: Path) -> None:
    (raw(mnist_root) / IMAGES).write_bytes(struct.pack(">4I", 0x803, 60, 32, 32) + bytes(61440))
    with pytest.raises(DataError, match="pictures of 32x32, 28x28 are needed"):
        files.dataset_state("MNIST", mnist_root)


def test_labels_of_another_set_are_refused(mnist_root: Path) -> None:
    test_labels = raw(mnist_root) / "t10k-labels-idx1-ubyte"
    (raw(mnist_root) / LABELS).write_bytes(test_labels.read_bytes())
    with pytest.raises(DataError, match="20 labels for the 60 pictures"):
        files.dataset_state("MNIST", mnist_root)


def test_digests_are_of_the_content_wherever_and_however_it_lies(mnist_root: Path) -> None:
    path = raw(mnist_root) / IMAGES
    plain = files.digests("MNIST", mnist_root)
    assert plain[IMAGES] == hashlib.sha256(path.read_bytes()).hexdigest()
    pack(path)
    moved = mnist_root.with_name("elsewhere")
    mnist_root.rename(moved)
    assert files.digests("MNIST", moved) == plain
    labels = raw(moved) / LABELS
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x09")
    assert files.digests("MNIST", moved) != plain


def test_digests_of_missing_files_say_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing; put the files there") as error:
        files.digests("MNIST", tmp_path)
    assert str(raw(tmp_path)) in one_line(error) and IMAGES in one_line(error)


def test_digits_have_a_digest_without_files(tmp_path: Path) -> None:
    assert list(files.digests("digits", tmp_path)) == ["digits"]
