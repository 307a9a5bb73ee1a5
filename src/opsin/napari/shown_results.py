"""Shown results: what a job's results became in a viewer, and how that goes and comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import ref

from napari.utils.notifications import show_info, show_warning  # type: ignore[import-untyped]

from opsin.errors import OpsinError
from opsin.host.job import Result
from opsin.images.source import Array
from opsin.napari.ground import Ground
from opsin.napari.paintable import Paintable, was_painted
from opsin.napari.result_layers import show_paintable, show_result, table_of, tell_features
from opsin.napari.table_panel import TablePanel

KEPT = (
    "visible",
    "opacity",
    "blending",
    "colormap",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "rendering",
    "iso_threshold",
    "attenuation",
    "contour",
    "selected_label",
    "brush_size",
    "symbol",
)
"""Attributes of a layer that the one has too which takes its place."""
ALIKE = ("size", "face_color", "border_color")
"""Such as points have one by one: kept where it is the same for all of them."""


class ShownResults:
    """The layers and tables of a job. Layers that the user deletes are not kept alive."""

    def __init__(self) -> None:
        self._layers: list[_Shown] = []
        self._tables: list[_Table] = []

    @property
    def layers(self) -> list[Any]:
        """Those that are in the viewer."""
        return [one.layer for one in self._layers if one.layer is not None and one.kept is None]

    def show(
        self,
        viewer: Any,
        results: Sequence[Result],
        ground: Ground,
        title: str,
        inputs: Sequence[Any] = (),
        read: Mapping[str, tuple[Paintable, Array]] | None = None,
    ) -> None:
        """Show the results of a job; what cannot be shown is said.

        Args:
            ground: what they lie on.
            title: of the operation.
            inputs: layers of napari that it was given.
            read: labels that one can paint on, by the path of the result.
        """
        for result in results:
            try:
                if found := (read or {}).get(str(result.path)):
                    layers = [show_paintable(viewer, result, *found)]
                else:
                    layers = show_result(viewer, result, ground)
            except OpsinError as error:
                show_warning(f"{result.name} is not shown: {error}")
                continue
            self._layers += [_Shown(layer) for layer in layers]
        for result in results:
            if result.kind in ("image", "labels") or (result.kind == "points" and result.rows):
                continue
            name = title if result.kind == "table" else f"{title} ({result.kind})"
            table = _Table(result, name)
            table.show(viewer, self.layers, inputs)
            self._tables.append(table)

    def take_away(self, viewer: Any) -> None:
        """Take all of it out of the viewer; it is kept for `bring_back`."""
        there = [one for one in self._layers if one.layer in viewer.layers]
        for one in there:
            one.place = viewer.layers.index(one.layer)
        for one in there:
            one.kept = one.layer
            viewer.layers.remove(one.layer)
        self.close_tables(viewer)

    def close_tables(self, viewer: Any) -> None:
        """Take the tables out of the viewer; what labels they told of is as it was before."""
        for table in self._tables:
            table.close(viewer)

    def bring_back(self, viewer: Any) -> None:
        """Put back what was taken away, where it was."""
        for one in self._layers:
            if one.kept is not None:
                if one.kept not in viewer.layers:
                    viewer.layers.insert(min(one.place, len(viewer.layers)), one.kept)
                one.kept = None
        for table in self._tables:
            table.show(viewer, self.layers, ())

    def instead_of(self, before: ShownResults, layer: Any) -> Any:
        """What stands here for a layer of another; None if it is none of that."""
        pairs = zip(before._layers, self._layers, strict=False)
        return next((mine.layer for old, mine in pairs if old.layer is layer), None)

    def take_place_of(self, viewer: Any, before: ShownResults, *, dressed: bool) -> None:
        """Stand where the layers of another stand, which go.

        Labels that were painted on stay: they are the user's now.

        Args:
            dressed: and look as these do.
        """
        selected, active = set(viewer.layers.selection), viewer.layers.selection.active
        names: list[tuple[Any, str]] = []
        for one, old in zip(list(self._layers), list(before._layers), strict=False):
            mine, there = one.layer, old.layer
            if mine not in viewer.layers or there not in viewer.layers:
                continue
            if dressed and type(mine) is type(there):
                _dress(mine, there, contrast=old.contrast_changed)
            place = viewer.layers.index(there)
            if dressed and was_painted(there):
                before._layers.remove(old)
                show_info(f"{there.name} was painted on, and stays: what was made anew is below.")
                mine.name = f"{there.name} (anew)"
            else:
                place += 1
                names.append((mine, there.name))
                if there in selected:
                    selected = (selected - {there}) | {mine}
                active = mine if active is there else active
            viewer.layers.move(viewer.layers.index(mine), place)
        before.take_away(viewer)
        for layer, name in names:  # which is free now
            layer.name = name
        viewer.layers.selection = {one for one in selected if one in viewer.layers}
        if active in viewer.layers:
            viewer.layers.selection.active = active


class _Shown:
    """One layer."""

    def __init__(self, layer: Any) -> None:
        self._layer = ref(layer)
        self.kept: Any = None
        """The layer, while it is taken away."""
        self.place = 0
        self._contrast = getattr(layer, "contrast_limits", None)

    @property
    def layer(self) -> Any:
        """None: it is gone."""
        return self._layer()

    @property
    def contrast_changed(self) -> bool:
        """Whether the user has set its contrast."""
        return getattr(self.layer, "contrast_limits", None) != self._contrast


@dataclass(eq=False)
class _Table:
    """One table, in a dock, and as features of the labels that it is about."""

    result: Result
    name: str
    panel: TablePanel | None = None
    _told: tuple[Any, Any] | None = None
    """A layer, and the features that it had before."""
    _inputs: Sequence[Any] = ()

    def show(self, viewer: Any, layers: Sequence[Any], inputs: Sequence[Any]) -> None:
        try:
            columns = table_of(self.result)
        except OpsinError as error:
            show_warning(f"{self.result.name} is not shown: {error}")
            return
        self._inputs = [ref(layer) for layer in inputs] or self._inputs
        there = [layer for one in self._inputs if (layer := one()) is not None]
        told = tell_features(layers, columns) or tell_features(there, columns)
        self._told = None if told is None else (ref(told[0]), told[1])
        self.panel = TablePanel(columns, str(self.result.path))
        taken = viewer.window.dock_widgets
        names = (self.name if n == 0 else f"{self.name} [{n}]" for n in count())
        name = next(one for one in names if one not in taken)  # napari loses one of two alike
        viewer.window.add_dock_widget(self.panel, name=name, area="bottom", tabify=True)

    def close(self, viewer: Any) -> None:
        panel, self.panel = self.panel, None
        if panel is not None:
            with suppress(LookupError, RuntimeError):  # the user has closed it
                viewer.window.remove_dock_widget(panel)
                panel.deleteLater()
        told, self._told = self._told, None
        if told is not None and (layer := told[0]()) is not None:
            layer.features = told[1]


def _dress(layer: Any, like: Any, *, contrast: bool) -> None:
    """Have a layer look as another does."""
    for name in KEPT + ("contrast_limits",) * contrast:
        if hasattr(like, name) and getattr(layer, name) != getattr(like, name):
            with suppress(ValueError, TypeError, AttributeError):  # what does not fit stays
                setattr(layer, name, getattr(like, name))
    for name in ALIKE:
        values = getattr(like, name, None)
        if values is not None and len(values) and (values == values[0]).all():
            with suppress(ValueError, TypeError, AttributeError):
                setattr(layer, name, values[0])
