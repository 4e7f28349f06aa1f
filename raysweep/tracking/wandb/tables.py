"""A table of a program for W&B's client: made again from its files, media in its cells included."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import wandb

from raysweep.paths import safe_join
from raysweep.tracking.port import Json
from raysweep.tracking.programs import TableFiles


def table_of(files: TableFiles) -> wandb.Table:
    """Make the table. Media in it are read until the table has been logged."""
    columns, data = files.content["columns"], files.content["data"]
    if files.version is not None:  # the run's own file names media by their class alone
        whole = json.loads(_in(files.version, files.name).read_bytes())
        data = _data(whole, files.version)
    try:
        return wandb.Table(columns=columns, data=data)
    except TypeError:  # values of several types in a column, which its program allowed
        return wandb.Table(columns=columns, data=data, allow_mixed_types=True)


def _data(whole: Mapping[str, Any], folder: Path) -> list[list[Any]]:
    """Return the rows, with media, and with the arrays that the client keeps in a file a column."""
    rows = [[_media(cell, folder) for cell in row] for row in whole["data"]]
    types = whole.get("column_types", {}).get("params", {}).get("type_map", {})
    for at, column in enumerate(whole["columns"]):
        place = _array_file(types.get(str(column)) or {})
        if place is not None:
            arrays = np.load(_in(folder, place["path"]))[place["key"]]
            for row, array in zip(rows, arrays, strict=True):
                row[at] = array
    return rows


def _array_file(column: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return where the arrays of a column of this type are; None where it has none."""
    params = column.get("params", {})
    found = [params.get("serialization_path")]
    found += [_array_file(each) for each in params.get("allowed_types", ())]
    return next(filter(None, found), None)


def _media(cell: Json, folder: Path) -> Any:
    """Make what a cell has; as the client described it, where there is no public way to make it."""
    make = _MAKERS.get(cell.get("_type", "")) if isinstance(cell, Mapping) else None
    if make is not None:
        with suppress(OSError, KeyError, TypeError, ValueError):  # as another client has it
            return make(cell, folder)
    return cell


def _image(cell: Mapping[str, Any], folder: Path) -> wandb.Image:
    classes = (_read(folder, cell.get("classes")) or {}).get("class_set") or []
    labels = {"class_labels": {each["id"]: each["name"] for each in classes}} if classes else {}
    boxes = {key: {"box_data": each, **labels} for key, each in (cell.get("boxes") or {}).items()}
    masks = {
        key: {"mask_data": _pixels(_in(folder, each["path"])), **labels}
        for key, each in (cell.get("masks") or {}).items()
    }
    return wandb.Image(
        str(_in(folder, cell["path"])),
        caption=cell.get("caption"),
        grouping=cell.get("grouping"),
        classes=classes or None,
        boxes=boxes or None,
        masks=masks or None,
    )


def _html(cell: Mapping[str, Any], folder: Path) -> wandb.Html:
    text = _in(folder, cell["path"]).read_text(encoding="utf-8")
    return wandb.Html(text, inject=False, data_is_not_path=True)


def _audio(cell: Mapping[str, Any], folder: Path) -> wandb.Audio:
    return wandb.Audio(str(_in(folder, cell["path"])), caption=cell.get("caption"))


def _video(cell: Mapping[str, Any], folder: Path) -> wandb.Video:
    return wandb.Video(str(_in(folder, cell["path"])), caption=cell.get("caption"))


def _object3d(cell: Mapping[str, Any], folder: Path) -> wandb.Object3D:
    return wandb.Object3D.from_file(str(_in(folder, cell["path"])))


def _molecule(cell: Mapping[str, Any], folder: Path) -> wandb.Molecule:
    return wandb.Molecule(str(_in(folder, cell["path"])), caption=cell.get("caption"))


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Path], Any]] = {
    "image-file": _image,
    "html-file": _html,
    "audio-file": _audio,
    "video-file": _video,
    "object3D-file": _object3d,
    "molecule-file": _molecule,
}


def _pixels(path: Path) -> np.ndarray[Any, Any]:
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def _read(folder: Path, entry: Mapping[str, Any] | None) -> Any:
    return None if entry is None else json.loads(_in(folder, entry["path"]).read_bytes())


def _in(folder: Path, path: str) -> Path:
    return safe_join(folder, path, "a table")
