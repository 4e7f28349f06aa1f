"""Lines of a stream that a client sends bit by bit, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARACTERS = 4_000_000
"""What is kept of a stream: half of it from its beginning, half from its end."""


class Streamed:
    """The lines by their number, from 0. A line may come again, as that of a progress bar. Of more
    than `most` characters those in the middle are dropped."""

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self._half = most // 2
        self._head: dict[int, str] = {}
        self._tail: dict[int, str] = {}
        self._head_size = self._tail_size = 0
        self._head_is_full = False
        self._dropped = 0  # all lines from the head's end to this one
        self._count = 0

    def __len__(self) -> int:
        """Return how many lines there have been."""
        return self._count

    def put(self, offset: int, lines: Sequence[str]) -> None:
        """Take lines, of which the first has the number `offset`."""
        for number, line in enumerate(lines, offset):
            self._put(number, line)
        self._count = max(self._count, offset + len(lines))

    def text(self, left_out: str = "") -> str:
        """Return all that is kept. Where lines were dropped, `left_out` stands in their place, with
        their count for `{count}`."""
        head, tail = ("".join(part[at] for at in sorted(part)) for part in (self._head, self._tail))
        dropped = self._dropped - len(self._head) if self._dropped else 0
        return head + (left_out.format(count=f"{dropped:,}") if dropped else "") + tail

    def _put(self, number: int, line: str) -> None:
        if number in self._head:
            self._head_size += len(line) - len(self._head[number])
            self._head[number] = line
        elif not self._head_is_full and self._head_size + len(line) <= self._half:
            self._head[number] = line
            self._head_size += len(line)
        elif number >= self._dropped:
            self._head_is_full = True
            self._tail_size += len(line) - len(self._tail.get(number, ""))
            self._tail[number] = line
            while self._tail_size > self._half and len(self._tail) > 1:
                first = next(iter(self._tail))
                self._tail_size -= len(self._tail.pop(first))
                self._dropped = max(self._dropped, first + 1)
