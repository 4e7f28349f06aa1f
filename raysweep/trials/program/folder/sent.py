"""The program's folder on each node: the user's own on the driver's, a copy of it elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

from raysweep.cluster.nodes import has_other_nodes, this_node
from raysweep.cluster.sending import Sender, Sent
from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.storage.sweep_folder import TRIALS
from raysweep.trials import node_folder
from raysweep.trials.inputs import Inputs
from raysweep.trials.program.calls import users_folder
from raysweep.trials.program.folder import packing


def send(config: Config) -> Sent | None:
    """Pack the program's folder, and put it where each node can fetch it.

    Raises a UserError for a folder that is too large or cannot be read. None, where this node is
    the only one as yet: most such stay alone, and need nothing sent.
    """
    try:
        packing.check(config)
        sender = Sender()
        packing.pack(config, sender)
    except UserError:
        if has_other_nodes():
            raise
        return None
    return sender.sent()


def is_elsewhere(inputs: Inputs | Path) -> bool:
    """Return whether this process is on another node than the driver."""
    return isinstance(inputs, Inputs) and this_node() != inputs.node


def folder_here(config: Config, inputs: Inputs | Path, sent: Sent | None) -> Path:
    """Return the folder on this node that stands for the user's.

    On another node than the driver's the first process fetches and unpacks it, while the others
    wait; it is removed with the sweep's inputs. Raises a UserError there if it was not sent.
    """
    if not isinstance(inputs, Inputs) or not is_elsewhere(inputs):
        return users_folder(config)
    if sent is None:
        raise UserError(
            f"program.directory: {users_folder(config)}: could not be sent when the sweep started, "
            "and this node has joined since; `resume` says what is wrong with it"
        )
    root = node_folder.enter(inputs.sweep)

    def fill(partial: Path) -> None:
        with tempfile.TemporaryFile(dir=root) as archive:
            sent.write_to(archive)
            archive.seek(0)
            packing.unpack(archive, partial)

    return node_folder.filled_once(root / f"program-{sent.digest[:16]}", fill)


def root_here(inputs: Inputs) -> Path:
    """Return the folder on this node below which the sweep's programs have folders of their own:
    the sweep's, on the driver's node."""
    folder = inputs.folder()
    return folder if is_elsewhere(inputs) else folder.parent


def trials_here(inputs: Inputs | Path) -> Path:
    """Return where trials' folders are on this node: in the sweep's folder, on the driver's."""
    if isinstance(inputs, Inputs) and is_elsewhere(inputs):
        return root_here(inputs)
    return (root_here(inputs) if isinstance(inputs, Inputs) else inputs) / TRIALS


def clients_folders(inputs: Inputs | Path) -> dict[str, str]:
    """Return variables that keep the caches of W&B's client in the sweep's folder on another node,
    where they are removed at its end; on the driver's node they are the user's."""
    if not isinstance(inputs, Inputs) or not is_elsewhere(inputs):
        return {}
    root = node_folder.enter(inputs.sweep) / "wandb"
    return {f"WANDB_{name.upper()}_DIR": str(root / name) for name in ("cache", "config", "data")}
