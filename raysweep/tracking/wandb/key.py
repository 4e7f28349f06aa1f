"""Where W&B's client would find its key: the environment, or a netrc.

Imports nothing of the client, which takes 0.5 s.
"""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from raysweep.addresses import refuse_keys

_CLOUD_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""Two names of W&B's cloud; the client (0.31) accepts a key for either."""


def where_the_key_is(environ: Mapping[str, str]) -> str | None:
    """Describe what holds the key; None if there is no key. The key itself is never returned."""
    refuse_keys("WANDB_BASE_URL", environ.get("WANDB_BASE_URL"), "set WANDB_API_KEY")
    if environ.get("WANDB_API_KEY"):
        return "WANDB_API_KEY"
    path = _netrc_path(environ)
    try:
        machines = netrc.netrc(path)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None  # absent or unreadable: the client ignores it too
    hosts = _hosts(environ.get("WANDB_BASE_URL"))
    held = [host for host in hosts if (machines.authenticators(host) or ("", "", ""))[2]]
    return f"{path} ({held[0]})" if held else None


def _netrc_path(environ: Mapping[str, str]) -> Path:
    if environ.get("NETRC"):
        return Path(environ["NETRC"]).expanduser()
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    usual, windows = home / ".netrc", home / "_netrc"
    return windows if windows.exists() and not usual.exists() else usual


def _hosts(base_url: str | None) -> tuple[str, ...]:
    """Return the hosts under which a netrc may hold the server's key."""
    host = urlsplit(base_url or f"https://{_CLOUD_HOSTS[0]}").netloc
    return _CLOUD_HOSTS if host in _CLOUD_HOSTS else (host,)
