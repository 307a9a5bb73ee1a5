"""Deep levels: those that a layer has in 3D, where its own coarsest level would be too large.

napari draws all of a layer's coarsest level in 3D. The levels of many files are only halved along
y and x, as slices need it: the coarsest of a stack may have hundreds of millions of voxels. So in
3D a layer has more levels, computed ones, until one is small along all axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opsin.chunks.volume_levels import in_3d
from opsin.images.layer import Layer
from opsin.napari.feed import Feed
from opsin.napari.loading import Loading
from opsin.napari.placement import Placement
from opsin.napari.volatile_array import VolatileArray

if TYPE_CHECKING:
    from opsin.napari.member import Member


class DeepLevels:
    """The levels of a layer in 3D, while it is in a viewer."""

    def __init__(
        self, member: Member, shown: Any, changed: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        """Levels that nothing is loaded of.

        Args:
            member: of which.
            shown: napari's layer.
            changed: called on the loop when there is more to see.
            failed: called on the loop with a sentence when something cannot be read.
        """
        self.feed = Feed(in_3d(member.layer))
        self._member, self._shown = member, shown
        self._changed, self._failed = changed, failed
        self._levels: list[VolatileArray] = []

    @staticmethod
    def needed(layer: Layer) -> bool:
        """Whether a layer has others in 3D than in 2D."""
        return in_3d(layer) is not layer

    def enter(self, viewer: Any) -> None:
        """Give them to napari, which is about to draw volumes."""
        if self._levels:
            return
        self.feed.start(Loading.use(), self._changed, self._failed)
        count = len(self.feed.layer.image.levels)
        placement = Placement(viewer, count)
        self._levels = [VolatileArray(self.feed, level) for level in range(count)]
        for level in self._levels:
            level.member, level.placement = self._member, placement
        self._shown.data = self._levels
        placement.layer = self._shown
        self._shown.refresh(thumbnail=False, highlight=False, extent=False)

    def leave(self, levels: list[VolatileArray]) -> None:
        """Give napari others, for slices. Idempotent."""
        if not self._levels:
            return
        self._levels = []
        self._shown.data = levels
        self.feed.stop()
