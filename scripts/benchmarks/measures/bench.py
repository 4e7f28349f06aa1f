"""The settings that every measure gets."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import WHOLE, Prepared, Sizes, prepare

FEW = Sizes(5_000, 1_000, 1_000)


@dataclass(frozen=True)
class Bench:
    """The data, folder, CPUs and rounds of a run. `training`: the sweep's number of images;
    `trials`: those of a program's sweep."""

    mnist: Path
    folder: Path
    cpus: int
    rounds: int
    training: int
    trials: int = 20

    def pictures(self, sizes: Sizes) -> Prepared:
        """Return MNIST, limited to these sizes."""
        folder = self.folder / f"{sizes.training}"
        if folder.exists():
            return Prepared(folder / "data", folder, sizes)
        return prepare(self.mnist, folder, sizes)

    @property
    def whole_mnist(self) -> Prepared:
        """MNIST in full."""
        return self.pictures(WHOLE)

    def storage(self) -> Path:
        """Return the path of a new storage, which does not exist yet."""
        return Path(tempfile.mkdtemp(dir=self.folder)) / "runs"

    def log(self, line: str) -> None:
        """Print a line of progress to stderr."""
        print(f"bench: {line}", file=sys.stderr, flush=True)
