"""Label colours: a hash of the id, the same in Python and in the viewer's shaders.

`protocol/fixtures/label_colours.json` holds examples that every implementation reproduces.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from opsin.images.source import Array


def colours(ids: Array) -> npt.NDArray[np.float64]:
    """Colours of label ids: float64 between 0 and 1, of the shape of `ids` plus (3,).

    Ids are taken as 64 bits, negative ones in two's complement. With their lower and upper words,
    `h = mix(lower ^ mix(upper ^ 0x9e3779b9))`, where mix is the finaliser of 32-bit MurmurHash3.
    With its bits the hue is (0 to 15) / 65536, the saturation 0.55 + 0.45 · (16 to 23) / 255 and
    the value 0.75 + 0.25 · (24 to 31) / 255. Id 0 has a colour too; renderers leave it out.
    """
    wide = ids.astype(np.int64) if ids.dtype.kind == "i" else ids.astype(np.uint64)
    words = wide.view(np.uint64)
    lower = (words & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    upper = (words >> np.uint64(32)).astype(np.uint32)
    h = _mix(lower ^ _mix(upper ^ np.uint32(0x9E3779B9)))
    hue = (h & np.uint32(0xFFFF)) / 65536
    saturation = 0.55 + 0.45 * ((h >> np.uint32(16)) & np.uint32(0xFF)) / 255
    value = 0.75 + 0.25 * (h >> np.uint32(24)) / 255
    return _rgb(hue, saturation, value)


def _mix(x: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def _rgb(
    hue: npt.NDArray[np.float64],
    saturation: npt.NDArray[np.float64],
    value: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """HSV to RGB, all between 0 and 1."""
    # Each channel is 1 around its own hue, 0 opposite to it, and linear between.
    offsets = np.array([0.0, 4.0, 2.0])
    distance = np.abs((hue[..., np.newaxis] * 6 + offsets) % 6 - 3) - 1
    pure: npt.NDArray[np.float64] = distance.clip(0, 1)
    return value[..., np.newaxis] * (1 - saturation[..., np.newaxis] * (1 - pure))
