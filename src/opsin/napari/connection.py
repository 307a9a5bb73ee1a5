"""Connection: a running napari, for scripts and plugins in other processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsin.errors import UsageError
from opsin.host.lazy_types import register as register_lazy_types
from opsin.host.napari_peer import points_request_for, request_for, running
from opsin.images.image import Image
from opsin.images.points import Points
from opsin.images.points.layer import PointsLayer
from opsin.rpc.connect import connect_blocking


class Napari:
    """A running napari. A context manager; lazy arrays are shown until it is closed.

    Its methods are those of `opsin.napari.service.NapariService`: `about`, `layers`, `get_layer`,
    `remove_layer`, `view_image`, `view_labels`, `view_points`, `add_points`, `open`.

    Args:
        which: its process id, if several are running; by default the one that was started last.

    Raises:
        UsageError: none is running.
        ConnectionLost: it has ended.
    """

    def __init__(self, which: int | None = None) -> None:
        register_lazy_types()
        offer = running(which)
        self.pid = offer.pid
        self._peer = connect_blocking(offer.address, token=offer.token)
        self._root = self._peer.root()

    def view_image(self, image: Any, **options: Any) -> list[str]:
        """Show an image: an array, a path or address, or an `opsin.images.Image`."""
        if isinstance(image, Image):
            if options:
                raise UsageError("An image says itself how it is shown: leave the options out.")
            (method, arguments), _ = request_for(image)
            return list(getattr(self._root, method)(**arguments))
        data = os.fspath(Path(image).absolute()) if isinstance(image, os.PathLike) else image
        return list(self._root.view_image(data, **options))

    def view_points(self, points: Any, **options: Any) -> list[str]:
        """Show points: an array (points, axes), a dict of columns, a path, or `opsin.open_points`.

        The positions of all but arrays are in the world.
        """
        if isinstance(points, Points | PointsLayer):
            if options:
                raise UsageError("Points say themselves how they are shown: leave the options out.")
            method, arguments = points_request_for(points)
            return list(getattr(self._root, method)(**arguments))
        data = os.fspath(Path(points).absolute()) if isinstance(points, os.PathLike) else points
        if isinstance(data, Mapping):
            data = dict(data)
        return list(self._root.view_points(data, **options))

    def close(self) -> None:
        """Let go of it; what was given as an array stays there. Idempotent."""
        self._peer.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._root, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *dir(self._root)]

    def __enter__(self) -> Napari:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
