"""Planners: which kinds of bricks there are."""

from __future__ import annotations

from opsin.views.planner import AnyPlanner
from opsin.views.points_planner import PointsPlanner
from opsin.views.scene import Scene
from opsin.views.slice_planner import SlicePlanner
from opsin.views.volume_planner import VolumePlanner


def planners_of(scene: Scene) -> tuple[AnyPlanner, ...]:
    """A planner of each kind, for one view of a scene; what the first ones fill others cannot."""
    return (
        PointsPlanner(scene.points, scene.number_of_points),
        SlicePlanner(scene.layers, scene.images),
        VolumePlanner(scene.volumes, scene.images),
    )
