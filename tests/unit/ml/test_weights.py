from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raysweep.errors import DataError
from raysweep.ml.convnet import ConvNet
from raysweep.ml.weights import copy_to_cpu, load_weights, save_weights


def test_weights_survive_their_file(tmp_path: Path, make_model: Callable[..., ConvNet]) -> None:
    model = make_model()
    save_weights(model.state_dict(), tmp_path / "trained_model.pth")
    loaded = load_weights(tmp_path / "trained_model.pth")
    assert list(loaded) == ["layer1.0.weight", "layer1.0.bias"] + [
        f"{layer}.{part}" for layer in ("layer2.0", "fc") for part in ("weight", "bias")
    ]
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_equal_weights_give_equal_bytes(tmp_path: Path, make_model: Callable[..., ConvNet]) -> None:
    """Whatever the file is called and whichever memory format they come in."""
    model = make_model()
    save_weights(model.state_dict(), tmp_path / "one.pth")
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_weights(model.state_dict(), tmp_path / "another name.pth")
    one = (tmp_path / "one.pth").read_bytes()
    assert one == (tmp_path / "another name.pth").read_bytes()
    model.fc.bias.data[0] += 1
    save_weights(model.state_dict(), tmp_path / "other.pth")
    assert one != (tmp_path / "other.pth").read_bytes()


def test_weights_are_saved_as_contiguous_fp32(tmp_path: Path) -> None:
    save_weights({"w": torch.ones(4, 6, dtype=torch.bfloat16).t()[:, :2]}, tmp_path / "w.pth")
    loaded = load_weights(tmp_path / "w.pth")["w"]
    assert loaded.dtype == torch.float32 and loaded.is_contiguous()
    assert loaded.untyped_storage().nbytes() == 6 * 2 * 4


class Payload:
    """Something that a pickle would have run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


@pytest.mark.parametrize("content", [Payload(), [torch.ones(1)], {"a": 1}])
def test_what_is_no_weights_file_is_refused(
    content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(DataError, match=r"w\.pth") as error:
        load_weights(path)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_an_unreadable_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"w\.pth: no readable file of tensors"):
        load_weights(path)


class Counting(nn.Module):
    """Keeps more than weights."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.state = state

    def get_extra_state(self) -> Any:
        return self.state

    def set_extra_state(self, state: Any) -> None:
        self.state = state


def test_what_modules_keep_besides_weights_survives_their_file(tmp_path: Path) -> None:
    path, again = tmp_path / "model.pth", tmp_path / "again.pth"
    seen = torch.ones(4, 2)[:, 0]
    model = Counting({"calls": 3, "names": ["a", ("b", None)], "seen": seen})
    save_weights(model.state_dict(), path)
    other = Counting(None)
    other.load_state_dict(load_weights(path))
    assert other.state["calls"] == 3 and other.state["names"] == ["a", ("b", None)]
    assert torch.equal(other.state["seen"], torch.ones(4))
    save_weights(other.state_dict(), again)
    assert again.read_bytes() == path.read_bytes()


def test_what_no_trial_could_read_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readable file of tensors"):
        save_weights(Counting(Path("x")).state_dict(), tmp_path / "model.pth")


def test_a_copy_stays_as_it_was() -> None:
    model = Counting({"calls": [3]})
    copied = copy_to_cpu(model.state_dict())
    model.state["calls"].append(4)
    with torch.no_grad():
        model.fc.weight.zero_()
    assert copied["_extra_state"] == {"calls": [3]} and copied["fc.weight"].any()
