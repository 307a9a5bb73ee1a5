"""Guest shelf: where the plugins come from that a page of others loads."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from opsin.host.imjoy.reach import only_public, origin_of
from opsin.host.imjoy.shelf import Shelf

if TYPE_CHECKING:
    from opsin.host.host import Host
    from opsin.host.imjoy.imjoy_file import ImjoyFile
    from opsin.host.imjoy.resources import Kind
    from opsin.host.registry import Registered


class GuestShelf(Shelf):
    """The same for a guest: those in the list, by name, and what comes from the public web.

    No path of this computer is looked at, and nothing of its own network.

    Args:
        origins: of the pages; what lies there, they may read anyhow.
    """

    def __init__(self, host: Host, origins: Collection[str]) -> None:
        super().__init__(host)
        self._origins = tuple(origins)

    def is_listed(self, plugin: Registered) -> bool:
        """Whether it is one of the owner's."""
        return any(one.path == plugin.path for one in self._host.registry.all())

    async def served(self, address: str, kind: Kind = "other") -> str:
        with only_public(self._origins):
            return await super().served(address, kind)

    async def page(self, address: str, *, network: bool) -> str:
        with only_public(self._origins):
            return await super().page(address, network=network)

    def _registered(self, source: str, beside: Registered | None) -> Registered | None:
        is_beside = beside is not None and self.is_listed(beside)
        if not is_beside and not self.is_known(source):
            return None
        return super()._registered(source, beside)

    async def _obtained(
        self, source: str, tag: str, beside: Registered | None
    ) -> tuple[ImjoyFile, Registered]:
        with only_public(self._origins):
            return await super()._obtained(source, tag, beside)

    def _is_fresh(self, source: str) -> bool:
        """The page's own plugins, which its author writes just now."""
        return "\n" not in source and origin_of(source) in self._origins
