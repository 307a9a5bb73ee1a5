"""Debugger: the chunks that a viewer shows, outlined by level and by where they came from.

Lines are vectors of napari, which take their places much faster than its shapes do; each chunk has
the number of its level in its corner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from opsin.images.source import Array
from opsin.napari.given import HIDDEN
from opsin.napari.loader_look import Outline, Whence
from opsin.napari.member import Member

COLOURS: dict[Whence, str] = {
    "memory": "#b9c2cd",
    "disk": "#6fcf97",
    "network": "#5cc8e8",
    "computed": "#f2b84b",
    "failed": "#f2786d",
    "coming": "#ffffff",
}
"""As in the browser."""
FAINT = 0.35
"""Opacity of what is on its way."""
WIDTH, INSET, COLUMN = 1.6, 3.0, 13.0
"""Pixels on the screen: of a line, from a line to that of the next coarser level, and of a text."""
NAMES = ("Opsin: chunks", "Opsin: levels")
MOST_TEXTS = 300


class Debugger:
    """Two layers on top of a viewer: lines, and the numbers of levels, these in 2D only."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._lines: Any = None
        self._texts: Any = None
        self._drawn: tuple[object, ...] = ()
        self.count = 0
        """Chunks that are outlined."""

    def show(
        self, shown: Sequence[tuple[Any, Member]], outlines: Sequence[Sequence[Outline]]
    ) -> None:
        """Outline chunks: those of each layer."""
        dims = self._viewer.dims
        sides = dims.ndisplay
        plain = tuple(dims.displayed) == tuple(range(dims.ndim - sides, dims.ndim))
        zoom = 2 ** (round(4 * math.log2(max(self._viewer.scene.camera.zoom, 1e-12))) / 4)
        boxes: list[Array] = []
        states: list[Whence] = []
        levels: list[int] = []
        for (layer, member), chunks in zip(shown, outlines, strict=False):
            if not plain or layer.ndim < sides:
                continue
            axes = member.layer.kept_axes[-sides:]
            scale, translate = (np.asarray(one[-sides:]) for one in (layer.scale, layer.translate))
            least = min((one.level for one in chunks), default=0)
            for one in chunks:
                ends = np.array([[one.low[a] for a in axes], [one.high[a] for a in axes]])
                inset = INSET / zoom * (one.level - least + 0.5)
                boxes.append(ends * scale + translate + np.array([[inset], [-inset]]))
                states.append(one.whence)
                levels.append(one.level)
        drawn = (zoom, tuple(states), tuple(levels), np.array(boxes).tobytes())
        if drawn == self._drawn and self._is_there(sides):
            return
        if not self._is_there(sides):
            self._make(shown, sides)
        self._drawn, self.count = drawn, len(boxes)
        self._draw(np.array(boxes).reshape(-1, 2, sides), states, levels, zoom)

    def close(self) -> None:
        """Take the layers away. Idempotent."""
        for layer in (self._lines, self._texts):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._lines = self._texts = None
        self._drawn, self.count = (), 0

    def _is_there(self, sides: int) -> bool:
        layers = self._viewer.layers
        there = self._lines in layers and self._texts in layers
        return there and bool(self._lines.ndim == sides)

    def _make(self, shown: Sequence[tuple[Any, Member]], sides: int) -> None:
        self.close()
        viewer = self._viewer
        selected = list(viewer.layers.selection)
        named: dict[str, Any] = {"metadata": {HIDDEN: True}}
        if shown:
            named["units"] = shown[0][0].units[-sides:]
        self._lines = viewer.add_vectors(
            np.zeros((1, 2, sides)), name=NAMES[0], vector_style="line", opacity=0.9, **named
        )
        self._texts = viewer.add_points(
            np.zeros((1, sides)), name=NAMES[1], opacity=0.9, canvas_size_limits=(0, 1), **named
        )
        viewer.layers.selection = selected

    def _draw(
        self, boxes: Array, states: Sequence[Whence], levels: Sequence[int], zoom: float
    ) -> None:
        lines, colours = [], []
        for (low, high), state in zip(boxes, states, strict=True):
            edges = list(_edges(low, high))
            if state == "failed":
                across = high - low
                edges += [(low, across), (low + across * _last(across), across * _turned(across))]
            lines += edges
            colours += [_rgba(state)] * len(edges)
        made = self._lines
        sides = boxes.shape[2]
        made.data = np.array(lines, np.float64).reshape(-1, 2, sides)
        if lines:
            made.edge_color = np.array(colours)
        made.edge_width = WIDTH * (sides - 1) / zoom  # they are flat: in 3D one sees less of them
        few = sides == 2 and len(boxes) <= MOST_TEXTS
        texts = self._texts
        places = boxes[:, 0].copy() if few else np.zeros((0, sides))
        if len(places):
            places[:, 1] += (np.array(levels) - min(levels)) * COLUMN / zoom
        texts.data = places
        texts.size, texts.face_color, texts.border_color = 1e-3 / zoom, "#0000", "#0000"
        if len(places):
            texts.features = {"level": list(levels)}
            texts.text = {
                "string": "{level}",
                "size": 8,
                "color": np.array([_rgba(state) for state in states]),
                "anchor": "upper_left",
                "translation": (3 / zoom, 4 / zoom),
            }


def _edges(low: Array, high: Array) -> Iterator[tuple[Array, Array]]:
    """The edges of a box: where each begins, and its direction and length."""
    across = high - low
    for axis in range(len(low)):
        along = np.zeros(len(low))
        along[axis] = across[axis]
        others = [other for other in range(len(low)) if other != axis]
        for corner in itertools.product((0, 1), repeat=len(others)):
            start = low.copy()
            start[others] += across[others] * np.array(corner)
            yield start, along


def _last(across: Array) -> Array:
    """The corner that is away from the first one along the last axis."""
    corner: Array = np.zeros(len(across))
    corner[-1] = 1
    return corner


def _turned(across: Array) -> Array:
    """From that corner to the one that lies opposite."""
    turned: Array = np.ones(len(across))
    turned[-1] = -1
    return turned


def _rgba(state: Whence) -> tuple[float, float, float, float]:
    text = COLOURS[state]
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue, FAINT if state == "coming" else 1.0
