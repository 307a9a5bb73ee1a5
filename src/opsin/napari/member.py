"""Member: one layer of an image in a napari viewer, from before it comes until it has gone."""

from __future__ import annotations

from typing import Any

from opsin.images.layer import Layer
from opsin.napari.bell import make_bell
from opsin.napari.block import VOXELS
from opsin.napari.deep_levels import DeepLevels
from opsin.napari.detail import Detail
from opsin.napari.feed import Feed
from opsin.napari.loading import Loading
from opsin.napari.placement import Placement
from opsin.napari.volatile_array import VolatileArray


class Member:
    """The levels of a layer, and what keeps them up to date while it is in a viewer."""

    def __init__(self, layer: Layer, owner: object = None) -> None:
        """A layer of no viewer: its levels read what they are asked for.

        Args:
            layer: which.
            owner: lives as long as the layer may be looked at.
        """
        self.layer = layer
        self._owner = owner
        self.feed = Feed(layer)
        self.levels = [VolatileArray(self.feed, level) for level in range(len(layer.image.levels))]
        for level in self.levels:
            level.member = self
        self._memory: int | None = None
        """Budget that was asked for with it, also for when it comes back."""
        self._viewer: Any = None
        self._layer: Any = None
        self._bell: Any = None
        self._due = False
        self._placement: Placement | None = None
        self.voxels = VOXELS
        """Of the block that is shown in 3D, at most."""
        self.detail: Detail | None = None
        """What is shown in 3D where one looks."""
        self._deep: DeepLevels | None = None

    def join(self, viewer: Any, memory: int | None = None) -> None:
        """Get ready to come into a viewer. Without a window there is nobody to draw twice for."""
        if self.feed.open:
            return
        self._bell = make_bell(self._redraw, _warn)
        if self._bell is None:
            return
        self._memory = memory or self._memory
        self.feed.start(Loading.use(self._memory), self._ring, self._bell.say)
        self._viewer = viewer
        self._placement = Placement(viewer, len(self.levels))
        for level in self.levels:
            level.placement = self._placement

    def arrived(self, layer: Any) -> None:
        """The layer is in the viewer now."""
        if self._placement is None or self._layer is not None:
            return
        self._layer = self._placement.layer = layer
        layer.events.visible.connect(self._visible_changed)
        # It was drawn before it was known where the sliders are, with what was there.
        layer.refresh(thumbnail=layer.ndim > 2, highlight=False, extent=False)
        self.feed.want_base()
        if layer.ndim <= 2:
            return
        coarse = self.feed
        if DeepLevels.needed(self.layer):
            self._deep = DeepLevels(self, layer, self._ring, self._bell.say)
            coarse, self._placement.flat = self._deep.feed, True
            ndisplay = self._viewer.dims.events.ndisplay
            # Before napari draws a volume; and when it draws slices already.
            ndisplay.connect(self._deepen, position="first")
            ndisplay.connect(self._flatten, position="last")
            self._deepen()
        self.detail = Detail(self._viewer, layer, coarse, self.voxels)

    def gone(self) -> None:
        """The layer is in no viewer any more. Idempotent."""
        if self.detail is not None:
            self.detail.close()
            self.detail = None
        if self._deep is not None:
            self._viewer.dims.events.ndisplay.disconnect(self._deepen)
            self._viewer.dims.events.ndisplay.disconnect(self._flatten)
            if self._placement is not None:
                self._placement.asleep = True
            self._deep.leave(self.levels)
            self._deep = None
        if self._layer is not None:
            self._layer.events.visible.disconnect(self._visible_changed)
        for level in self.levels:
            level.placement = None
        self._placement = self._layer = self._viewer = None
        self.feed.stop()
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    @property
    def settled(self) -> bool:
        """Whether napari has got the best that there is of what it draws."""
        if self.detail is not None and not self.detail.settled:
            return False
        return not self._due and self._drawn.settled

    @property
    def _drawn(self) -> Feed:
        """What napari draws from now."""
        return self._deep.feed if self._deep and self._deep.feed.open else self.feed

    def _deepen(self, _: Any = None) -> None:
        if self._deep is not None and self._viewer.dims.ndisplay == 3:
            self.feed.rest()
            self._deep.enter(self._viewer)

    def _flatten(self, _: Any = None) -> None:
        if self._deep is not None and self._viewer.dims.ndisplay == 2:
            self._deep.leave(self.levels)

    def _ring(self) -> None:
        """On the loop: there is more to see."""
        self._due = True
        if (bell := self._bell) is not None:
            bell.ring()

    def _redraw(self) -> None:
        self._due = False
        layer, feed = self._layer, self._drawn
        if layer is None or not layer.visible:
            return
        if layer.ndim == 2:
            # napari keeps that level as it was when it first saw it, until it gets new data.
            if feed.stale_thumbnail and feed.base_complete:
                layer.data = self.levels
                return
            if layer.data_level == len(self.levels) - 1:
                feed.rest()
                return
        layer.refresh(thumbnail=feed.stale_thumbnail, highlight=False, extent=False)

    def _visible_changed(self) -> None:
        if self._layer is not None and not self._layer.visible:
            self._drawn.rest()


def _warn(sentence: str) -> None:
    from napari.utils.notifications import show_warning  # type: ignore[import-untyped]

    show_warning(sentence)
