"""A fingerprint identifies content: the same on every machine, different for different input."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raysweep.ml import files
from raysweep.stages.fingerprint import canonical_json, fingerprint
from raysweep.stages.stages import initialize_stage, load_stage

CONFIG = {"normalize": True, "sizes": [3, 5], "rate": 1e-3, "name": "Größe", "none": None}
SHOW = f"""
from raysweep.stages.fingerprint import fingerprint
print(fingerprint("load", 1, {CONFIG!r}, {{"b": "2", "a": "1"}}))
"""


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_every_process_gives_the_same(hash_seed: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    elsewhere = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == fingerprint("load", 1, CONFIG, {"a": "1", "b": "2"})


def test_the_value_is_the_one_that_stores_hold() -> None:
    """With another canonical form no version in any existing store would be found."""
    text = '{"config":{"n":50000,"s":"ß"},"inputs":{"x":"1"},"stage":"load","version":1}'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert fingerprint("load", 1, {"s": "ß", "n": 50_000}, {"x": "1"}) == expected


def test_each_component_matters_and_key_order_does_not() -> None:
    base = fingerprint("load", 1, {"a": 1, "b": 2}, {"x": "1", "y": "2"})
    assert fingerprint("load", 1, {"b": 2, "a": 1}, {"y": "2", "x": "1"}) == base
    others = {
        fingerprint("loads", 1, {"a": 1, "b": 2}, {"x": "1", "y": "2"}),
        fingerprint("load", 2, {"a": 1, "b": 2}, {"x": "1", "y": "2"}),
        fingerprint("load", 1, {"a": 2, "b": 1}, {"x": "1", "y": "2"}),
        fingerprint("load", 1, {"a": 1, "b": True}, {"x": "1", "y": "2"}),
        fingerprint("load", 1, {"a": 1, "b": "2"}, {"x": "1", "y": "2"}),
        fingerprint("load", 1, {"a": 1}, {"x": "1", "y": "2"}),
        fingerprint("load", 1, {"a": 1, "b": 2}, {"x": "2", "y": "1"}),
        fingerprint("load", 1, {"a": 1, "b": 2}, {"x": "1"}),
        fingerprint("load", 1, {"a": 1, "b": 2, "x": "1", "y": "2"}, {}),
    }
    assert len(others | {base}) == 10


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "value: a object"),
        ({"a": {"b": object()}}, "value.a.b: a object"),
        ([1, {2, 3}], r"value\[1\]: a set"),
        ({"a": float("nan")}, "value.a: nan"),
        ({"a": (float("inf"),)}, r"value.a\[0\]: inf"),
        ({1: "a"}, "value: key 1 is not a string"),
        ({"a": {None: 1}}, "value.a: key None"),
        ({"path": Path("/tmp")}, "value.path: a PosixPath"),
        ({"f": len}, "value.f: a builtin_function"),
        (b"bytes", "value: a bytes"),
        (np.float32(1), "value: a float32"),
    ],
)
def test_what_has_no_stable_identity_is_refused_by_its_place(value: Any, place: str) -> None:
    with pytest.raises(TypeError, match=place):
        canonical_json(value)


def load_fingerprint(root: Path, train_size: int = 50) -> str:
    return load_stage("MNIST", root, train_size).fingerprint


def test_identity_has_no_location(mini_mnist: Path, tmp_path: Path) -> None:
    before = load_fingerprint(mini_mnist)
    moved = tmp_path / "elsewhere" / "and deeper"
    moved.parent.mkdir()
    mini_mnist.rename(moved)
    assert load_fingerprint(moved) == before
    for path in moved.rglob("*-ubyte"):  # packed, as torchvision's mirrors have them
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load_fingerprint(moved) == before


@pytest.mark.parametrize("name", files.RAW_FILES)
def test_one_byte_of_any_file_is_another_identity(mini_mnist: Path, name: str) -> None:
    before = load_fingerprint(mini_mnist)
    path = files.raw_folder("MNIST", mini_mnist) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert load_fingerprint(mini_mnist) != before


def test_the_split_and_the_dataset_are_part_of_the_identity(mini_mnist: Path) -> None:
    assert load_fingerprint(mini_mnist, train_size=49) != load_fingerprint(mini_mnist)
    digits = load_stage("digits", mini_mnist, 50)
    assert digits.fingerprint != load_fingerprint(mini_mnist)
    assert digits.artifact == "digits-raw"


def test_every_field_of_the_model_is_part_of_its_identity() -> None:
    model = {"hidden_layer_sizes": [4, 8], "dropout": 0.5, "seed": 0}
    changes = [{"hidden_layer_sizes": [8, 4]}, {"dropout": 0.4}, {"seed": 1}]
    prints = {initialize_stage(model | change).fingerprint for change in [{}, *changes]}
    assert len(prints) == 4
