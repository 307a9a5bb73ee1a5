"""Colour maps: 256 colours by name, under the names that napari uses."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import numpy.typing as npt

from opsin.errors import UsageError

_RAMPS = {
    "gray": "ffffff",
    "red": "ff0000",
    "green": "00ff00",
    "blue": "0000ff",
    "cyan": "00ffff",
    "magenta": "ff00ff",
    "yellow": "ffff00",
}
"""From black to a colour in a straight line."""

NAMES = (
    *_RAMPS,
    "gray_r",
    "viridis",
    "magma",
    "inferno",
    "plasma",
    "turbo",
    "hsv",
    "twilight",
    "bop blue",
    "bop orange",
    "bop purple",
)
"""All names. Beside them, `#rrggbb` is the map from black to that colour."""


def lut(name: str) -> npt.NDArray[np.uint8]:
    """The colours of a map: uint8 of shape (256, 3), red, green, blue; read-only.

    A value t between 0 and 1 has the colour at `floor(t · 255 + 0.5)`.

    Raises:
        UsageError: there is no such colour map.
    """
    return _lut(name.lower() if name.startswith("#") else name)


@cache
def _lut(name: str) -> npt.NDArray[np.uint8]:
    colour = _RAMPS.get(name, name.removeprefix("#") if name.startswith("#") else "")
    if re.fullmatch(r"[0-9a-f]{6}", colour):
        end = np.frombuffer(bytes.fromhex(colour), np.uint8).astype(np.float64)
        table = _bytes(np.linspace(0, 1, 256)[:, np.newaxis] * end / 255)
    elif name == "gray_r":
        table = _lut("gray")[::-1].copy()
    elif name in NAMES:
        from cmap import Colormap

        table = _bytes(Colormap(name).lut(256)[:, :3])
    else:
        raise UsageError(
            f"There is no colour map {name!r}: use #rrggbb or one of {', '.join(NAMES)}."
        )
    table.setflags(write=False)
    return table


def _bytes(colours: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    rounded: npt.NDArray[np.floating] = np.floor(colours * 255 + 0.5)
    return rounded.clip(0, 255).astype(np.uint8)
