from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from raysweep.errors import DataError
from raysweep.ml import datasets, digits
from raysweep.ml.datasets import Split


def test_the_split_is_the_tutorials(mnist_root: Path) -> None:
    """Against torchvision's own reader: first train_size to train, the rest validates."""
    splits = datasets.load("MNIST", mnist_root, 50)
    train = torchvision.datasets.MNIST(mnist_root, train=True)
    test = torchvision.datasets.MNIST(mnist_root, train=False)
    for split, x, y in (
        (splits.training, train.data[:50], train.targets[:50]),
        (splits.validation, train.data[50:], train.targets[50:]),
        (splits.test, test.data, test.targets),
    ):
        assert split.x.dtype == torch.uint8 and split.y.dtype == torch.int64
        assert torch.equal(split.x, x) and torch.equal(split.y, y)


def test_gzipped_files_in_a_read_only_root_are_read_where_they_are(mnist_root: Path) -> None:
    before = datasets.load("MNIST", mnist_root, 50)
    folder = mnist_root / "MNIST" / "raw"
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    after = datasets.load("MNIST", mnist_root, 50)
    assert torch.equal(before.training.x, after.training.x)
    assert sorted(path.suffix for path in folder.iterdir()) == [".gz"] * 4


@pytest.mark.parametrize("train_size", [60, 61, 50_000])
def test_a_train_size_that_leaves_nothing_to_validate(train_size: int, mnist_root: Path) -> None:
    with pytest.raises(DataError, match=f"{train_size}, but MNIST has 60 .* at most 59"):
        datasets.load("MNIST", mnist_root, train_size)
    assert len(datasets.load("MNIST", mnist_root, 59).validation) == 1


@pytest.mark.parametrize("dataset", ["MNIST", "digits"])
def test_a_train_size_of_nothing(dataset: str, mnist_root: Path) -> None:
    with pytest.raises(DataError, match=r"data\.train_size: 0"):
        datasets.load(dataset, mnist_root, 0)


def test_unknown_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown data set 'CIFAR10'"):
        datasets.load("CIFAR10", tmp_path, 10)


@pytest.mark.parametrize(
    ("train_size", "sizes"), [(50_000, (1200, 300)), (1200, (1200, 300)), (100, (100, 1400))]
)
def test_digits_splits(train_size: int, sizes: tuple[int, int]) -> None:
    splits = datasets.load("digits", Path("nowhere"), train_size)
    assert (len(splits.training), len(splits.validation), len(splits.test)) == (*sizes, 297)
    assert splits.training.x.shape[1:] == (28, 28)
    assert splits.training.x.dtype == torch.uint8 and splits.training.y.dtype == torch.int64


def test_digits_test_split_is_the_same_whatever_trains() -> None:
    one, two = (datasets.load("digits", Path("nowhere"), size).test for size in (100, 1200))
    assert torch.equal(one.x, two.x) and torch.equal(one.y, two.y)
    assert torch.bincount(one.y, minlength=10).min() > 15  # shuffled: every class is in it


def test_digits_are_scaled_bilinearly() -> None:
    """Against torch's own interpolation, which may round one step the other way."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(1797)[:1200]
    small = torch.from_numpy(pictures[order].reshape(-1, 1, 8, 8)) * (255 / 16)
    expected = torch.nn.functional.interpolate(small, size=28, mode="bilinear").squeeze(1)
    split = datasets.load("digits", Path("nowhere"), 1200).training
    assert (split.x - expected).abs().max() <= 0.5 + 1e-6
    assert split.y.tolist() == labels[order].tolist()
    assert split.x.max() == 255 and split.x.min() == 0


def test_sources() -> None:
    assert datasets.source("MNIST") == "torchvision.datasets.MNIST"
    assert datasets.source("digits") == "sklearn.datasets.load_digits"


def test_a_split_survives_its_file(tmp_path: Path) -> None:
    split = Split(torch.rand(5, 1, 28, 28), torch.arange(5))
    datasets.save_split(split, tmp_path / "it's.pt")
    again = datasets.read_split(tmp_path / "it's.pt")
    assert torch.equal(split.x, again.x) and torch.equal(split.y, again.y)
    x, y = torch.load(tmp_path / "it's.pt", weights_only=True)  # as the tutorial's `read` does
    assert torch.equal(split.x, x) and torch.equal(split.y, y)


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    """Whatever the file's name and folder, the time, and how the tensors came to be."""
    whole = torch.arange(100 * 28 * 28).view(100, 1, 28, 28).float()
    (tmp_path / "sub").mkdir()
    datasets.save_split(Split(whole[:10], torch.arange(20)[10:]), tmp_path / "training.pt")
    time.sleep(2.1)  # a zip file's own times come in steps of 2 s
    fresh = whole[:10].clone().to(memory_format=torch.channels_last)
    datasets.save_split(Split(fresh, torch.arange(10, 20)), tmp_path / "sub" / "a name.bin")
    one = (tmp_path / "training.pt").read_bytes()
    assert one == (tmp_path / "sub" / "a name.bin").read_bytes()
    assert len(one) < 10 * 28 * 28 * 4 + 4000  # the slice alone, not what it was cut from


def test_a_file_read_again_is_the_same_split_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    datasets.save_split(Split(torch.zeros(2, 28, 28), torch.zeros(2).long()), path)
    first = datasets.read_split(path)
    assert datasets.read_split(path) is first
    path.unlink()
    datasets.save_split(Split(torch.ones(3, 28, 28), torch.zeros(3).long()), path)
    assert len(datasets.read_split(path)) == 3


def test_what_holds_no_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with pytest.raises(DataError, match="cannot be read"):
        datasets.read_split(path)
    for content in (b"", b"hello", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.pt") as error:
            datasets.read_split(path)
        assert "\n" not in str(error.value)
    for tensors in ({"a": torch.ones(1)}, (torch.ones(2), torch.ones(3)), [torch.ones(1)]):
        torch.save(tensors, path)
        with pytest.raises(DataError, match="holds no split"):
            datasets.read_split(path)


def test_a_truncated_split_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    datasets.save_split(Split(torch.rand(50, 28, 28), torch.zeros(50).long()), path)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DataError, match=r"x\.pt"):
        datasets.read_split(path)


def test_the_embedded_digits_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from its file, since importing it is slow; and through it, where its files moved."""
    pictures, labels = load_digits(return_X_y=True)
    read = digits._embedded()
    monkeypatch.setattr(digits.metadata, "files", lambda _: None)
    for mine, mine_labels in (read, digits._embedded()):
        assert np.array_equal(mine, pictures)
        assert np.array_equal(mine_labels, labels)
