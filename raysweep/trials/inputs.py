"""The cache of artifact versions on a node: each is downloaded and checked once, and then shared by
every process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raysweep.cluster.nodes import call_on_others, this_node
from raysweep.paths import safe_join
from raysweep.tracking import Tracker
from raysweep.trials import node_folder


@dataclass(frozen=True)
class Inputs:
    """The folder of a sweep's inputs on each node. It assumes no shared file system.

    On the driver's node it is `here`, beside the store, with whose files it can share bytes by hard
    links. On any other node it is a local folder there, which the driver cannot see.
    """

    here: Path
    node: str
    sweep: str

    @staticmethod
    def of(sweep: str, here: Path) -> Inputs:
        """Return the inputs of the sweep with the id `sweep`, whose driver is on this node."""
        return Inputs(here, this_node(), sweep)

    def folder(self) -> Path:
        """Return this node's folder, which this process may use until it ends."""
        return self.here if this_node() == self.node else node_folder.enter(self.sweep)

    def remove(self) -> None:
        """Remove the inputs from every node that can be reached. Called by the driver."""
        shutil.rmtree(self.here, ignore_errors=True)
        call_on_others(node_folder.leave, self.sweep)


@contextmanager
def scratch(inputs: Inputs | Path) -> Iterator[Path]:
    """Yield a folder for files on their way to the store. It is in the sweep's folder on this node,
    so that a process that is killed meanwhile leaves nothing elsewhere."""
    root = inputs if isinstance(inputs, Path) else inputs.folder()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=root) as made:
        yield Path(made)


def fetch(tracker: Tracker, ref: str, inputs: Inputs | Path) -> Path:
    """Return the folder with `ref`'s files on this node. Download them unless they are there.

    `ref` is an exact version (`name:vK`); `inputs` are the sweep's, or a folder. One process
    downloads and checks the digests while the others wait.
    """
    root = inputs if isinstance(inputs, Path) else inputs.folder()
    folder = safe_join(root, ref.replace(":", "-"), ref)
    return node_folder.filled_once(folder, lambda partial: tracker.download(ref, partial))
