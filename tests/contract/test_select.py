"""The choice of the tracker; a key is found where the W&B client finds it."""

from __future__ import annotations

import pytest

from raysweep.errors import UserError
from raysweep.tracking import choose

KEY = "0123456789" * 4


@pytest.fixture
def environ(tmp_path):
    """An environment with an empty home."""
    return {"HOME": str(tmp_path)}


def netrc(tmp_path, machine: str, name: str = ".netrc") -> None:
    (tmp_path / name).write_text(f"machine {machine}\n  login user\n  password {KEY}\n")


def test_without_a_key_auto_is_trackio(environ):
    choice = choose("auto", environ)
    assert choice.backend == "trackio"
    assert "no W&B key" in choice.reason


def test_with_a_key_in_the_environment_auto_is_wandb(environ):
    choice = choose("auto", environ | {"WANDB_API_KEY": KEY})
    assert choice.backend == "wandb"
    assert KEY not in choice.reason


@pytest.mark.parametrize("machine", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_with_a_key_in_netrc_auto_is_wandb(environ, tmp_path, machine):
    netrc(tmp_path, machine)
    choice = choose("auto", environ)
    assert choice.backend == "wandb"
    assert machine in choice.reason
    assert KEY not in choice.reason


def test_a_key_counts_for_its_own_server_alone(environ, tmp_path):
    netrc(tmp_path, "wandb.example.org:8443")
    assert choose("auto", environ).backend == "trackio"
    mine = environ | {"WANDB_BASE_URL": "https://wandb.example.org:8443"}
    assert choose("auto", mine).backend == "wandb"


def test_netrc_may_lie_elsewhere(environ, tmp_path):
    netrc(tmp_path, "api.wandb.ai", name="keys")
    assert choose("auto", environ | {"NETRC": str(tmp_path / "keys")}).backend == "wandb"


def test_a_netrc_that_cannot_be_read_holds_no_key(environ, tmp_path):
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login\nnonsense here")
    assert choose("auto", environ).backend == "trackio"


@pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
def test_wandb_that_is_switched_off_is_not_taken(environ, mode):
    off = environ | {"WANDB_API_KEY": KEY, "WANDB_MODE": mode}
    choice = choose("auto", off)
    assert choice.backend == "trackio"
    assert mode in choice.reason
    if mode == "disabled":
        with pytest.raises(UserError, match=mode):
            choose("wandb", off)
    else:
        assert choose("wandb", off) == choice
        assert "`python -m raysweep sync` publishes them to W&B" in choice.reason


def test_what_is_asked_for_is_taken(environ):
    with_key = environ | {"WANDB_API_KEY": KEY}
    assert choose("trackio", with_key).backend == "trackio"
    assert choose("wandb", with_key).backend == "wandb"


def test_wandb_without_a_key_says_what_to_do(environ):
    with pytest.raises(UserError, match="wandb login") as caught:
        choose("wandb", environ)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
