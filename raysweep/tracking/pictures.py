"""Encode pictures as PNG, for transfer between processes and for the disk: lossless and small."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from raysweep.errors import TrackingError
from raysweep.tracking.port import Image

if TYPE_CHECKING:
    from PIL import Image as Pillow


def to_pillow(image: Image) -> Pillow.Image:
    """Convert the picture to Pillow. Raises TrackingError unless (H, W[, 3]) uint8."""
    from PIL import Image as Pillow  # 40 ms to import, and few runs log pictures

    pixels = image.pixels
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise TrackingError(
            f"image {image.caption!r}: pixels must be (H, W) or (H, W, 3) of uint8, "
            f"got {pixels.shape} of {pixels.dtype}; scale to 0..255 and convert first"
        )
    return Pillow.fromarray(np.ascontiguousarray(pixels))


def to_png(image: Image) -> bytes:
    """Encode the picture as PNG. Raises TrackingError unless (H, W[, 3]) uint8."""
    buffer = io.BytesIO()
    to_pillow(image).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a PNG file: (H, W) for a grey one, else (H, W, 3)."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(data)) as picture:
        mode = "L" if picture.mode == "L" else "RGB"
        return np.asarray(picture.convert(mode), dtype=np.uint8)
