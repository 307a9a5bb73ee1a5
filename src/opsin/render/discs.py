"""Discs: round spots with smooth edges, drawn on a canvas, the first at the bottom.

The disc of radius r around p covers `clamp(r + 1/2 - |q - p|, 0, 1)` of the device pixel with its
centre at q. One that is smaller than a pixel is drawn as large as a pixel, and the fainter. What it
covers, times its opacity, is blended as slices are.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FRAGMENTS = 1 << 21
"""Pixels of discs that are blended together."""

LEAST_RADIUS = 0.5
_OPAQUE = 1 - 1e-7


def draw_discs(
    canvas: Floats,
    places: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    colours: Floats,
    opacity: float,
    blending: Literal["translucent", "additive"],
) -> None:
    """Blend discs onto a canvas.

    Args:
        canvas: of shape (height, width, 3), between 0 and 1; drawn upon.
        places: row and column of the middle of each disc, in device pixels from the corner of the
            canvas: of shape (n, 2).
        radii: in device pixels, of shape (n,).
        colours: of shape (n, 3), between 0 and 1.
        opacity: of all, 0 to 1.
        blending: how.
    """
    height, width, _ = canvas.shape
    near = (places > -radii[:, np.newaxis] - 1).all(axis=1)
    near &= (places < np.array([height, width]) + radii[:, np.newaxis] + 1).all(axis=1)
    places, radii, colours = places[near], radii[near], colours[near]
    first = 0
    while first < len(places):
        side = _side(float(radii[first]))
        stop = first + max(1, FRAGMENTS // side**2)
        widest = float(radii[first:stop].max())
        if _side(widest) > side:
            stop = first + max(1, FRAGMENTS // _side(widest) ** 2)
            widest = float(radii[first:stop].max())
        some = slice(first, stop)
        pixels, alphas, owners = _fragments(
            places[some], radii[some], widest, opacity, (height, width)
        )
        flat = canvas.reshape(-1, 3)
        blend = _add if blending == "additive" else _cover
        blend(flat, pixels, alphas, colours[some], owners)
        first = stop


def _side(radius: float) -> int:
    """Rows and columns of pixels that a disc of this radius may touch."""
    return 2 * int(np.ceil(max(radius, LEAST_RADIUS) + 0.5)) + 1


def _fragments(
    places: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    widest: float,
    opacity: float,
    size: tuple[int, int],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """The pixels that discs touch: which, with what opacity, of which disc; disc after disc."""
    side = _side(widest)
    # Pixel i has its middle at i + 1/2.
    corner = np.floor(places).astype(np.int64) - side // 2
    steps = np.arange(side)
    rows, columns = corner[:, :1] + steps, corner[:, 1:] + steps
    down = (rows + 0.5 - places[:, :1]) ** 2
    across = (columns + 0.5 - places[:, 1:]) ** 2
    drawn = np.maximum(radii, LEAST_RADIUS)
    faint = opacity * np.minimum(radii / LEAST_RADIUS, 1) ** 2
    distance = np.sqrt(down[:, :, np.newaxis] + across[:, np.newaxis])
    cover = (drawn[:, np.newaxis, np.newaxis] + 0.5 - distance).clip(0, 1)
    inside_rows = (rows >= 0) & (rows < size[0])
    inside_columns = (columns >= 0) & (columns < size[1])
    cover *= inside_rows[:, :, np.newaxis] & inside_columns[:, np.newaxis]
    touched = np.flatnonzero(cover)
    owners, place = np.divmod(touched, side * side)
    row, column = np.divmod(place, side)
    pixels = rows[owners, row] * size[1] + columns[owners, column]
    return pixels, cover.ravel()[touched] * faint[owners], owners


def _add(
    flat: Floats,
    pixels: npt.NDArray[np.intp],
    alphas: npt.NDArray[np.float64],
    colours: Floats,
    owners: npt.NDArray[np.intp],
) -> None:
    """`min(d + c·a, 1)`, disc after disc; in what order is all the same."""
    for channel in range(3):
        light = alphas * colours[owners, channel]
        flat[:, channel] += np.bincount(pixels, light, minlength=len(flat)).astype(np.float32)
    np.minimum(flat, 1, out=flat)


def _cover(
    flat: Floats,
    pixels: npt.NDArray[np.intp],
    alphas: npt.NDArray[np.float64],
    colours: Floats,
    owners: npt.NDArray[np.intp],
) -> None:
    """`c·a + d·(1 - a)`, disc after disc.

    Of one pixel that is the sum of all `c·a`, each times all the `1 - a` of the discs above it. So
    the discs of each pixel are brought together, and the products are sums of logarithms.
    """
    if len(pixels) == 0:
        return
    keys = pixels.astype(np.uint64) << np.uint64(32) | np.arange(len(pixels), dtype=np.uint64)
    keys.sort()
    order = (keys & np.uint64(0xFFFFFFFF)).astype(np.intp)
    pixels, alphas, owners = pixels[order], alphas[order], owners[order]
    (first,) = np.nonzero(np.concatenate([[True], np.diff(pixels) > 0]))
    sizes = np.diff(np.append(first, len(pixels)))
    through = np.cumsum(np.log1p(-np.minimum(alphas, _OPAQUE)))
    last = first + sizes - 1
    whole = through[last] - np.concatenate([[0.0], through[last[:-1]]])
    weights = alphas * np.exp(np.repeat(through[last], sizes) - through)
    touched = pixels[first]
    left = np.exp(whole).astype(np.float32)
    for channel in range(3):
        light = np.add.reduceat(weights * colours[owners, channel], first)
        flat[touched, channel] = light + flat[touched, channel] * left
