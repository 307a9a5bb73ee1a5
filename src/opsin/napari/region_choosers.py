"""Region choosers: what an operation is run on: a region or a level, and how it is cut up."""

from __future__ import annotations

import math
from typing import Any

from magicgui import widgets

from opsin.host.selection import Where
from opsin.napari.given import PIXELS, Given
from opsin.napari.input_choosers import InputChoosers
from opsin.napari.run_region import level_text, other_axes, position, where
from opsin.plugins.manifest import Operation

VISIBLE, WHOLE = "Visible region", "Whole image"
SHOWN, ALL = "shown", "all"
PLANES, VOLUMES = "Planes", "Volumes"
VOLUME = "zyx"


class RegionChoosers:
    """Four choosers, three of which are there only if they make a difference."""

    def __init__(self, viewer: Any, operation: Operation, inputs: InputChoosers) -> None:
        self._viewer = viewer
        self._operation = operation
        self._inputs = inputs
        pixels = [one for one in operation.inputs if one.kind in PIXELS]
        self.has_pixels = bool(pixels)
        """Whether there is an image, of which a part can be chosen."""
        self._is_free = bool(pixels) and all(one.axes is None for one in pixels)
        self.work: Any = widgets.ComboBox(label="Work on", choices=(PLANES, VOLUMES))
        self.work.tooltip = "Whether the operation is called for each plane, or for each volume"
        self.region: Any = widgets.ComboBox(label="Run on", choices=(VISIBLE, WHOLE))
        self.level: Any = widgets.ComboBox(label="Level", choices=self._levels)
        self.slices: Any = widgets.ComboBox(label="Slices", choices=self._slices)

    @property
    def all(self) -> tuple[Any, ...]:
        """From top to bottom."""
        return self.work, self.region, self.level, self.slices

    @property
    def axes(self) -> str:
        """The axes that the operation is asked to work on; '' if it is not."""
        return VOLUME if self._is_free and self._is_deep() and self.work.value == VOLUMES else ""

    def look(self) -> None:
        """Bring the choices up to date."""
        self.work.visible = self._is_free and self._is_deep()
        chosen = self.slices.value
        self.level.reset_choices()
        self.slices.reset_choices()
        if chosen in self.slices.choices:
            self.slices.value = chosen
        self.region.visible = self.has_pixels
        whole = self.has_pixels and self.region.value == WHOLE
        self.level.visible = whole
        self.slices.visible = whole and len(self.slices.choices) > 0

    def where(self, leading: Given) -> Where:
        """What is chosen.

        Raises:
            UsageError: no region is visible.
        """
        level = self.level.value if self.region.value == WHOLE else None
        return where(self._viewer, leading, level, all_slices=self.slices.value == ALL)

    @property
    def _asked(self) -> Operation:
        """The operation, as it is asked to work."""
        return self._operation.along(self.axes) if self.axes else self._operation

    def _is_deep(self) -> bool:
        leading = self._inputs.leading()
        if leading is None:
            return False
        leading.close()
        return set(VOLUME) <= set(leading.axes)

    def _levels(self, _: Any) -> list[tuple[str, int]]:
        leading = self._inputs.leading()
        if leading is None:
            return []
        levels = range(len(leading.layer.image.levels))
        found = [(level_text(self._asked, leading, level), level) for level in levels]
        leading.close()
        return found

    def _slices(self, _: Any) -> list[tuple[str, str]]:
        leading = self._inputs.leading()
        if leading is None:
            return []
        axes = other_axes(self._asked, leading, self.level.value or 0)
        here = position(self._viewer, leading)
        geometry = leading.layer.level(0)
        leading.close()
        if not axes:
            return []
        shown = []
        for name, _count in axes:
            axis = leading.axes.index(name)
            if name in here:
                pixel = (here[name] - geometry.translation[axis]) / geometry.scale[axis]
                shown.append(f"{name} {round(pixel)}")
        count = math.prod(size for _, size in axes)
        along = " × ".join(f"{name} {size}" for name, size in axes)
        return [
            (f"This slice: {', '.join(shown)}", SHOWN),
            (f"All {count} slices: {along}", ALL),
        ]
