"""`replica.json` at a URI: the only object that is overwritten, always by a conditional write."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.bucket.object_store import ObjectStore

HEAD = "replica.json"
OLD_LEASE = "driver.json"

_READS = 10
"""How often a head is read that seems to be damaged."""


@dataclass(frozen=True)
class Holder:
    """The process that writes to the URI. `copy` is the unique mark of its working copy. `boot`
    identifies the boot of its machine: locks do not survive a reboot."""

    id: str
    host: str
    pid: int
    what: str
    since: str
    copy: str
    boot: str

    @staticmethod
    def me(what: str, copy: str) -> Holder:
        """Describe this process, with the mark of its working copy."""
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        return Holder(secrets.token_hex(8), _machine(), os.getpid(), what, now, copy, _boot())

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Holder:
        words = {name: str(found.get(name, "")) for name in Holder.__dataclass_fields__}
        return Holder(**{**words, "pid": int(found["pid"])})  # type: ignore[arg-type]

    @property
    def description(self) -> str:
        return f"{self.what} on {self.host}, process {self.pid}, since {self.since}"


@dataclass(frozen=True)
class Head:
    """`epoch` counts holders, `beat` the heartbeats of one holder. `push` is the mark of the last
    complete push, `snapshot` the key of its snapshot. `driver`: None while nobody writes."""

    epoch: int = 0
    push: str | None = None
    snapshot: str | None = None
    driver: Holder | None = None
    beat: int = 0

    @staticmethod
    def read(store: ObjectStore) -> Head:
        """Read the head at the URI. Raises UserError if it is damaged."""
        return Head.read_whole(store.uri, lambda: store.read(HEAD) or b"{}")

    @staticmethod
    def read_whole(uri: str, read: Callable[[], bytes]) -> Head:
        """Parse what `read` returns, and read it again where it is cut short.

        pyarrow asks for an object's size, and then reads so many bytes: of a longer version that
        was written in between it returns the beginning.
        """
        for _ in range(_READS - 1):
            with suppress(UserError):
                return Head.from_json(uri, read())
        return Head.from_json(uri, read())

    @staticmethod
    def from_json(uri: str, data: bytes) -> Head:
        """Parse a head, also of raysweep 0.1, which wrote only `push`. Ignores newer keys."""
        try:
            found: dict[str, Any] = json.loads(data)
            driver = found.get("driver")
            return Head(
                epoch=int(found.get("epoch", 0)),
                push=found.get("push"),
                snapshot=found.get("snapshot"),
                driver=None if driver is None else Holder.from_json(driver),
                beat=int(found.get("beat", 0)),
            )
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise UserError(
                f"--storage {uri}: {HEAD}, which names what was pushed, is damaged ({error}); put "
                "back an earlier version of that object, or name another URI"
            ) from error

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def old_lease(store: ObjectStore) -> tuple[Holder | None, bytes | None]:
    """Read the lease of raysweep 0.1 and its bytes; None if there is none."""
    data = store.read(OLD_LEASE)
    with suppress(ValueError, TypeError, AttributeError, KeyError):
        return Holder.from_json(json.loads(data or b"")), data
    return None, data


def remove_old_lease(store: ObjectStore) -> None:
    """Remove the lease of raysweep 0.1, whose holder is dead."""
    store.delete(OLD_LEASE)


def _machine() -> str:
    """Return this machine's name with a suffix that distinguishes machines of the same name."""
    try:
        mark = Path("/etc/machine-id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        mark = ""
    return f"{socket.gethostname()} ({mark})" if mark else socket.gethostname()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
