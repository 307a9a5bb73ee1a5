"""Points sample: the points that a view shows, from the chunks that it wanted. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from opsin.chunks.camera import Camera
from opsin.chunks.points_plan import PointsBrick, PointsPlan
from opsin.chunks.sight import Sight
from opsin.chunks.volume_camera import VolumeCamera
from opsin.images.points import POSITION
from opsin.images.points.layer import PointsLayer
from opsin.images.source import Array


def points_sample(
    layer: PointsLayer,
    camera: Camera | VolumeCamera,
    plan: PointsPlan,
    chunk: Callable[[PointsBrick], Array | None],
    most: int | None = None,
) -> Array:
    """The points that a view shows: all that are seen below the rate, of the chunks that are here.

    Args:
        layer: the points.
        camera: where one looks.
        plan: what was wanted there.
        chunk: gives the chunk that a brick is of; None if it is not here.
        most: points that are shown at most, whatever the plan has estimated.

    Returns:
        Records as in a chunk, in the order of the plan, those of a chunk in the order of their
        ranks.
    """
    most = layer.most_on(*camera.size) if most is None else most
    sight = Sight(layer, camera)
    parts: list[Array] = []
    ranks: list[Array] = []
    for want in plan.wants:
        points = chunk(want.brick)
        if points is None:
            continue
        points, step = points[: want.count], (want.stop - want.start) / max(len(points), 1)
        seen = sight.points(points[POSITION])
        parts.append(points.compress(seen))
        ranks.append((want.start + step * np.arange(0.5, len(points))).compress(seen))
    if not parts:
        return np.empty(0, layer.points.dtype)
    found, order = np.concatenate(parts), np.concatenate(ranks)
    if len(found) > most:
        lowest = np.argpartition(order, most)[:most] if most else np.empty(0, np.intp)
        found = found.take(np.sort(lowest))
    return found
