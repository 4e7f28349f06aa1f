"""A bound for calls into a library that has no setting for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from raysweep.errors import TrackingError

T = TypeVar("T")


def within(
    timeout_s: float, what: str, call: Callable[[], T], abandoned: Callable[[], None] | None = None
) -> T:
    """What `call` returns or raises, made in a thread of its own. `what` names it in the error.

    Raises TrackingError when it has not ended in `timeout_s`. Nothing can stop the thread then: it
    goes on in the background, and calls `abandoned` when it ends. It does not keep the process up.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    given_up = threading.Event()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again, in the thread that asked
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
