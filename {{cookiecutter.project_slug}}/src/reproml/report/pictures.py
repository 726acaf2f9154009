"""Test examples as pictures, where they are images and their prepared data is here."""

import io
from typing import TYPE_CHECKING

from ..config.own import is_own
from ..errors import UserError
from ..runs.completed import CompletedRun

if TYPE_CHECKING:
    import numpy as np

_CHANNELS = (1, 3, 4)  # as Pillow takes them: grey, colours, colours with transparency
_SIDE = 96  # pixels: a smaller image is enlarged to about this, pixel by pixel, and one of twice the size is reduced


def pictures_of(run: CompletedRun, examples: list[int]) -> list[bytes]:
    """Return some test examples of a run as PNG; none where they are no images, or the data of its test is not here.

    Args:
        run: a finished run.
        examples: their rows in `predictions.csv`, counted from 0.
    """
    if is_own(run.record["config"]) or not examples:
        return []
    from ..tasks.tested import tested_data

    try:
        if run.config.data.remote is not None:  # a report fetches nothing
            return []
        data = tested_data(run.config, run.record)
    except UserError:
        return []
    shape = data.input_shape
    if len(shape) != 3 or shape[0] not in _CHANNELS or max(examples) >= len(data.positions):
        return []
    return [_png(image) for image in _as_bytes(data.inputs.rows(data.positions[examples]))]


def _as_bytes(images: "np.ndarray") -> "np.ndarray":
    """Return images (n, channels, height, width) as (n, height, width, channels), uint8, from the least to the most."""
    least, most = min(0, images.min()), images.max()
    shares = (images.astype("float64") - least) / ((most - least) or 1)
    found: np.ndarray = (255 * shares).round().astype("uint8").transpose(0, 2, 3, 1)
    return found


def _png(image: "np.ndarray") -> bytes:
    from PIL import Image  # comes with matplotlib

    factor = max(1, _SIDE // max(image.shape[:2]))
    enlarged = image.repeat(factor, 0).repeat(factor, 1)
    picture = Image.fromarray(enlarged[..., 0] if enlarged.shape[2] == 1 else enlarged)
    picture.thumbnail((2 * _SIDE, 2 * _SIDE))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
