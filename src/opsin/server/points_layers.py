"""Points layers: the layers of points of a session, shown and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from opsin.chunks.loader import Loader
from opsin.errors import OpsinError
from opsin.host.job import Result
from opsin.images.points import Points
from opsin.images.points.columns import AXES
from opsin.images.points.layer import PointsLayer
from opsin.images.points.memory import points_from_table
from opsin.images.points.reader import holds_points, open_points
from opsin.images.readers.address import Address
from opsin.views.scene import Scene


class PointsLayers:
    """Layers of points by id.

    Args:
        scene: where they are shown.
        loader: what they are added to, which closes them.
    """

    def __init__(self, scene: Scene, loader: Loader) -> None:
        self._scene = scene
        self._loader = loader
        self._removed: dict[int, PointsLayer] = {}
        self._by_path: dict[Path, int] = {}

    @property
    def numbers(self) -> set[int]:
        """Ids of those that are shown or were removed."""
        return {*self._scene.points, *self._removed}

    def put(self, number: int, points: Points, name: str | None = None) -> None:
        """Show points, under an id that is free."""
        for text in points.warnings:
            self._scene.notify("warning", f"{points.name}: {text}")
        self._show(number, PointsLayer(name or points.name, points))
        # The loader closes what it knows of.
        self._scene.number_of_points(number, ())

    def remove(self, number: int) -> None:
        """Take one away that is shown."""
        self._removed[number], _ = self._scene.remove_points(number)

    def restore(self, number: int) -> bool:
        """Show again one that was removed; whether it was."""
        if number not in self._removed:
            return False
        self._show(number, self._removed.pop(number))
        return True

    async def open(self, path: Path, free: Callable[[], int]) -> bool:
        """Show the points at a path, if they are not there; False: it has none.

        `free` gives an id: only when they are open, since other layers may come meanwhile.

        Raises:
            OpenError: they cannot be opened.
        """
        if path in self._by_path:
            return True
        if not await asyncio.to_thread(holds_points, Address.parse(path)):
            return False
        points = await asyncio.to_thread(open_points, path)
        if path in self._by_path:  # meanwhile
            points.close()
            return True
        number = self._by_path[path] = free()
        self.put(number, points)
        return True

    async def show_result(self, result: Result, free: Callable[[], int], name: str) -> int | None:
        """Show the points that an operation gave, under an id that `free` gives: which.

        None: they cannot be shown, which the user is told.
        """
        axes = {axis: where for axis, where in result.counted.items() if axis in AXES}
        try:
            points = await asyncio.to_thread(
                points_from_table,
                result.path,
                name=name,
                scale={axis: scale for axis, (scale, _) in axes.items()},
                translation={axis: translation for axis, (_, translation) in axes.items()},
            )
        except OpsinError as error:
            self._scene.notify("warning", f"{result.name} is not shown. {error}")
            return None
        number = free()
        self.put(number, points)
        return number

    def _show(self, number: int, layer: PointsLayer) -> None:
        self._scene.put_points(number, layer, self._loader.add)
