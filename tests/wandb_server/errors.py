"""The two ways in which the server says no."""

from __future__ import annotations


class Refusal(Exception):
    """The request breaks a rule of W&B's, and the client is told so: no fault of the client's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Violation(Exception):
    """The request is none that the client is known to send: it fails the test that caused it."""
