"""What every measure is given."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import WHOLE, Prepared, Sizes, prepare

FEW = Sizes(5_000, 1_000, 1_000)


@dataclass(frozen=True)
class Bench:
    """How much to measure, with what, where. `training`: how many pictures the sweep trains on."""

    mnist: Path
    folder: Path
    cpus: int
    rounds: int
    training: int

    def pictures(self, sizes: Sizes) -> Prepared:
        """So many of MNIST's."""
        folder = self.folder / f"{sizes.training}"
        if folder.exists():
            return Prepared(folder / "data", folder, sizes)
        return prepare(self.mnist, folder, sizes)

    @property
    def whole_mnist(self) -> Prepared:
        """All of it."""
        return self.pictures(WHOLE)

    def storage(self) -> Path:
        """A folder that is not there yet, for a sweep to keep its things in."""
        return Path(tempfile.mkdtemp(dir=self.folder)) / "runs"

    def tell(self, line: str) -> None:
        """For whoever watches."""
        print(f"bench: {line}", file=sys.stderr, flush=True)
