"""A private stream of torch's random numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

import torch


class RandomState:
    """`with state:` torch's random state continues this stream; at the end it is restored.

    So modules draw from torch as usual, and draws outside the blocks do not change the stream.
    Measured on a CPU: 15 µs per block.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        """`device`: its random state is included, besides the CPU's."""
        self._cuda = [device] if device.type == "cuda" else []
        self._stack = ExitStack()
        with self._forked():
            torch.default_generator.manual_seed(seed)
            for each in self._cuda:
                with torch.cuda.device(each):
                    torch.cuda.manual_seed(seed)
            self._keep()

    def __enter__(self) -> None:
        self._stack.enter_context(self._forked())
        torch.set_rng_state(self._cpu_state)
        for device, state in zip(self._cuda, self._cuda_states, strict=True):
            torch.cuda.set_rng_state(state, device)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._keep()
        self._stack.close()

    def _forked(self) -> AbstractContextManager[None]:
        devices = [each.index or 0 for each in self._cuda]
        forked: AbstractContextManager[None] = torch.random.fork_rng(devices=devices)
        return forked

    def _keep(self) -> None:
        self._cpu_state = torch.get_rng_state()
        self._cuda_states = [torch.cuda.get_rng_state(device) for device in self._cuda]
