"""Load a trained model to predict with: its network, its weights, and its preprocessing.

Needs torch, not Ray.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from torch import nn

from raysweep.config import Config, PreprocessConfig, look_in
from raysweep.errors import ArtifactNotFound, DataError, RaysweepError, UserError
from raysweep.invocation import program
from raysweep.ml.compute import place_model
from raysweep.ml.inference import outputs
from raysweep.ml.preprocess import prepared
from raysweep.ml.protocols import Split
from raysweep.ml.weights import load_weights
from raysweep.stages import parts
from raysweep.stages.stages import TRAINED_MODEL, preprocess_of
from raysweep.storage.journal import read_journal
from raysweep.storage.open_storage import read_storage
from raysweep.storage.past import Past
from raysweep.storage.reading import StoredSweep
from raysweep.storage.record import sweep_names
from raysweep.storage.storage import Storage
from raysweep.tracking import METADATA_FILE, ArtifactVersion
from raysweep.trials.training.promotion import data_of

Raw = npt.NDArray[Any] | torch.Tensor
"""Examples as the data set contains them, (N, …). The built-in pictures: (N, 28, 28) uint8."""

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A trained model, on the CPU, in eval mode.

    source: `trained-model:vK`, or the folder from which it was read. sweep: the name of the sweep
    that trained it. steps: the `preprocess` section of its config. metadata: the artifact's
    metadata: its values, its metrics, the versions that it was made from.
    """

    source: str
    sweep: str
    steps: Mapping[str, bool]
    network: nn.Module = field(repr=False)
    metadata: Mapping[str, Any] = field(repr=False)

    def preprocess(self, raw: Raw) -> torch.Tensor:
        """Preprocess `raw`, (N, …), like the data that the model was trained on.

        The built-in pictures, (N, 28, 28) uint8, become (N, 1, 28, 28) float32 in 0..1, unless the
        sweep's `preprocess` says otherwise. The user's own data stays as it is, unless that section
        asks for more. Raises UserError for anything but an array of numbers.
        """
        return prepared(_as_tensor(raw), **self.steps)

    def predict(self, raw: Raw) -> torch.Tensor:
        """Return the network's output for each example of `raw`, (N, …), float32 on the CPU,
        without gradients, as in the sweep's evaluation. For a classifier these are logits.

        Give a single example as a batch of one: `picture[None]`. Raises UserError for anything but
        an array of numbers, and for examples that the network cannot take.
        """
        x = self.preprocess(raw)
        try:
            return outputs(self.network, Split(x, x), _CPU, torch.float32)
        except RaysweepError:
            raise
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"predict: {type(self.network).__name__} cannot take {tuple(x.shape)} {x.dtype} "
                f"({reason}); give a batch of raw examples, (N, …), one of them as example[None]"
            ) from error


def load_model(ref: str | Path | None = None, storage: str | Path | None = None) -> LoadedModel:
    """Load a trained model from a storage (default ./runs; a folder or a URI) or from a folder.

    `ref` is one of:
    - the name of a sweep, or its beginning: load the sweep's best model;
    - a version such as `trained-model:best` or `trained-model:v3`, in the project of the latest
      sweep;
    - None: the best model of the latest sweep;
    - a folder that `best --download` made: a Path, or text with a slash in it.

    Leaves no file on the disk. Adds to Python's path the folders in which the sweep's driver found
    the user's own network, and the working folder, to import the network.

    Raises UserError where there is no such sweep, version or folder, where it holds no trained
    model, or where its network cannot be created.
    """
    folder = _folder(ref)
    if folder is not None:
        return _of_folder(folder)
    name = str(ref) if ref is not None else None
    with read_storage(storage or Config().storage) as place:
        if name is not None and name not in sweep_names(place.root):
            if ":" in name:
                return _of_version(StoredSweep.find(place, None), name)
            if (Path(name) / METADATA_FILE).is_file():
                return _of_folder(Path(name))
        stored = StoredSweep.find(place, name)
        return _of_version(stored, stored.best())


def _folder(ref: str | Path | None) -> Path | None:
    """Return the folder if `ref` can only be one: a Path, or text with a slash. `ref` may also be
    the model's file in it, as in `SweepResult.model_path`."""
    if not isinstance(ref, Path) and (ref is None or "/" not in ref):
        return None
    path = Path(ref).expanduser()
    return path.parent if path.name == TRAINED_MODEL else path


def _of_version(stored: StoredSweep, ref: str) -> LoadedModel:
    with tempfile.TemporaryDirectory(prefix="raysweep-") as temporary:
        try:
            version, steps = _resolved(stored, ref)
            files = Path(temporary) / "model"
            stored.download(version.ref, files)
        except ArtifactNotFound as error:
            raise UserError(f"{error}; its sweep: {stored.record.name}") from error
        sweep = str(version.metadata.get("sweep", ""))
        _add_driver_import_paths(stored.storage, sweep)
        return _made(version.ref, version.metadata, steps, files)


def _resolved(stored: StoredSweep, ref: str) -> tuple[ArtifactVersion, Mapping[str, Any]]:
    """Return the version and its preprocessing steps. An earlier raysweep recorded the steps only
    with the data, not with the model."""
    tracker = stored.tracker()
    try:
        version = tracker.artifact(ref)
        if TRAINED_MODEL not in [file.path for file in version.files]:
            raise UserError(
                f"{version.ref}: is no trained model, since it has no {TRAINED_MODEL}; "
                "give a sweep's name, or a version such as trained-model:best"
            )
        if "preprocess" in version.metadata:
            return version, version.metadata["preprocess"]
        return version, preprocess_of(tracker.artifact(data_of(version)))
    finally:
        tracker.close()


def _of_folder(folder: Path) -> LoadedModel:
    for name in (METADATA_FILE, TRAINED_MODEL):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: holds no model ({name} is missing); give a folder that "
                f"`{program()} best --download` made, or a sweep's name"
            )
    try:
        metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{folder / METADATA_FILE}: cannot be read ({error})") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("preprocess"), dict):
        raise UserError(
            f"{folder / METADATA_FILE}: has no preprocessing steps, since an earlier raysweep "
            "trained the model; give the sweep's name and its storage instead"
        )
    look_in(Path.cwd())
    return _made(str(folder), metadata, metadata["preprocess"], folder)


def _made(
    source: str, metadata: Mapping[str, Any], steps: Mapping[str, Any], files: Path
) -> LoadedModel:
    try:
        checked = PreprocessConfig.model_validate(dict(steps))
        network = parts.network_of(metadata["model"])
    except (KeyError, TypeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{source}: its metadata describes no trained model ({reason})") from error
    weights = load_weights(files / TRAINED_MODEL)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, AttributeError, ValueError, TypeError) as error:
        what = metadata["model"].get("target", type(network).__name__)
        raise DataError(
            f"{source}: its weights do not fit the network that {what} gives now "
            f"({' '.join(str(error).split())[:200]}); put back the code that it was trained with"
        ) from error
    network.eval().requires_grad_(False)
    sweep = str(metadata.get("sweep", ""))
    return LoadedModel(
        source, sweep, checked.model_dump(), place_model(network, _CPU), dict(metadata)
    )


def _add_driver_import_paths(storage: Storage, sweep: str) -> None:
    """Let Python find the user's own network in the folders where the sweep's driver found it."""
    if sweep in sweep_names(storage.root):
        past = Past(read_journal(storage.find(sweep).journal))
        for path in past.started.get("modules", ()) if past.events else ():
            look_in(Path(path))
    look_in(Path.cwd())


def _as_tensor(raw: Raw) -> torch.Tensor:
    expected = f"raw: expected an array or a tensor of numbers, (N, …), got a {type(raw).__name__}"
    try:
        if isinstance(raw, torch.Tensor):
            x = raw.detach().to(_CPU)
        else:
            x = torch.from_numpy(np.array(raw))  # a copy: the array may be read-only
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{expected} ({str(error).splitlines()[0]})") from error
    if x.dim() == 0:
        raise UserError(f"{expected} without dimensions")
    return x
