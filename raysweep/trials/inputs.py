"""An artifact version on this node: downloaded and checked once, then shared by every process."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from raysweep.cluster.nodes import call_on_others, this_node
from raysweep.paths import safe_join
from raysweep.tracking import Tracker
from raysweep.trials import node_folder


@dataclass(frozen=True)
class Inputs:
    """Where the inputs of a sweep lie on whichever node asks: no file system is shared.

    On the driver's node in `here`, beside the store, whose bytes they can share by links; on any
    other in a folder of that node's own, which the driver neither knows nor sees.
    """

    here: Path
    node: str
    sweep: str

    @staticmethod
    def of(sweep: str, here: Path) -> Inputs:
        """Of the sweep with that id, which this node drives."""
        return Inputs(here, this_node(), sweep)

    def folder(self) -> Path:
        """This node's folder, for this process to use until it ends."""
        return self.here if this_node() == self.node else node_folder.enter(self.sweep)

    def remove(self) -> None:
        """Remove them from every node that can be reached; called by the driver."""
        shutil.rmtree(self.here, ignore_errors=True)
        call_on_others(node_folder.leave, self.sweep)


def fetch(tracker: Tracker, ref: str, inputs: Inputs | Path) -> Path:
    """The folder that holds `ref`'s files on this node, downloading them if nobody has yet.

    `ref` is an exact version (`name:vK`); `inputs` are the sweep's, or a folder. One process
    downloads and checks the digests while the others wait; the folder appears under its name only
    when it is whole.
    """
    root = inputs if isinstance(inputs, Path) else inputs.folder()
    folder = safe_join(root, ref.replace(":", "-"), ref)
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{folder.name}.lock"):
        if not folder.is_dir():
            partial = root / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a process that died here
            tracker.download(ref, partial)
            partial.rename(folder)
    return folder
