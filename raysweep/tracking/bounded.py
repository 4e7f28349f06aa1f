"""A timeout for calls into a library that has no setting for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from raysweep.errors import TrackingError

T = TypeVar("T")


def within(
    timeout_s: float, what: str, call: Callable[[], T], abandoned: Callable[[], None] | None = None
) -> T:
    """Run `call` in a separate thread and return or raise its result; `what` names it in errors.

    Raises TrackingError after `timeout_s`. The thread cannot be stopped: it continues in the
    background as a daemon, and calls `abandoned` when it ends.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    given_up = threading.Event()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            errors.append(error)
        if given_up.is_set() and abandoned is not None:
            abandoned()

    thread = threading.Thread(target=work, name=f"raysweep: {what}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        given_up.set()
        raise TrackingError(f"cannot {what}: no answer in {timeout_s:g} s")
    return results[0]
