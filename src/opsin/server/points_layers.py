"""Points layers: what becomes layers of points in a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from opsin.chunks.loader import Loader
from opsin.errors import OpsinError
from opsin.host.job import Result
from opsin.images.image import Origin
from opsin.images.points import Points
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
        self._by_path: dict[Path, int] = {}

    def put(self, number: int, points: Points, name: str | None = None) -> None:
        """Show points, under an id that is free."""
        for text in points.warnings:
            self._scene.notify("warning", f"{points.name}: {text}")
        layer = PointsLayer(name or points.name, points)
        self._scene.put_points(number, layer, self._loader.add)
        # The loader closes what it knows of.
        self._scene.number_of_points(number, ())

    async def open(self, path: Path, free: Callable[[], int]) -> int | None:
        """Show the points at a path, if they are not there; gives their id. None: it has none.

        `free` gives an id: only when they are open, since other layers may come meanwhile.

        Raises:
            OpenError: they cannot be opened.
        """
        if path in self._by_path:
            return self._by_path[path]
        if not await asyncio.to_thread(holds_points, Address.parse(path)):
            return None
        points = await asyncio.to_thread(open_points, path)
        if path in self._by_path:  # meanwhile
            points.close()
            return self._by_path[path]
        number = self._by_path[path] = free()
        self.put(number, points)
        return number

    async def show_result(self, result: Result, free: Callable[[], int], name: str) -> int | None:
        """Show the points that an operation gave, under an id that `free` gives: which.

        None: they cannot be shown, which the user is told.
        """
        try:
            points = await asyncio.to_thread(points_from_table, result.path, name=name)
        except OpsinError as error:
            self._scene.notify("warning", f"{result.name} is not shown. {error}")
            return None
        number = free()
        self.put(number, replace(points, origin=Origin(str(result.path))))
        return number
