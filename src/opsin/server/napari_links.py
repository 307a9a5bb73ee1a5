"""napari links: layers of this server that are shown in a running napari."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from opsin.errors import OpsinError
from opsin.host.napari_peer import points_request_for, request_for, running
from opsin.images.layer import Layer
from opsin.images.points.layer import PointsLayer
from opsin.rpc.connect import linked
from opsin.rpc.peer import Peer


class NapariLinks:
    """Links to running ones, each as long as something is shown there that lies here."""

    def __init__(self) -> None:
        self._peers: set[Peer] = set()

    async def send(self, layer: Layer | PointsLayer) -> list[str]:
        """Show a layer in the napari that was started last; the names that it has there.

        Raises:
            UsageError: none is running.
            OpsinError: it cannot show this.
        """
        if isinstance(layer, PointsLayer):
            method, arguments = await asyncio.to_thread(points_request_for, layer)
            on_its_own = True
        else:
            (method, arguments), on_its_own = request_for(layer.image, layer.channel)
        offer = await asyncio.to_thread(running)
        peer = await linked(offer.address, token=offer.token)
        try:
            names: list[str] = await getattr(await peer.root(), method)(**arguments)
        except BaseException:
            await peer.close()
            raise
        if on_its_own:
            await peer.close()
        else:
            self._peers = {one for one in self._peers if not one.is_over} | {peer}
        return list(names)

    async def close(self) -> None:
        """End all links. Idempotent."""
        while self._peers:
            with suppress(OpsinError, OSError):
                await self._peers.pop().close()
