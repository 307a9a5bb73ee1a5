"""Shelf: the images that a server offers to other programs as OME-Zarr, by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from opsin.errors import UsageError
from opsin.images.image import Image
from opsin.images.write.codec import CodecName
from opsin.server.zarr_image import ZarrImage

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """An image, or labels on their own, as one OME-Zarr."""

    image: Image
    number: int
    """In the loader."""
    zarr: ZarrImage
    labels: dict[str, Offer] = field(default_factory=dict)
    """Labels that lie in it, by name."""


class Shelf:
    """Offers by name, such as `cells.zarr`.

    Args:
        codec: how chunks are compressed on their way.
        taken: names that none gets.
    """

    def __init__(self, codec: CodecName = "none", taken: Sequence[str] = ()) -> None:
        self._codec: CodecName = codec
        self._taken = set(taken)
        self.offers: dict[str, Offer] = {}
        self.refused: dict[str, str] = {}
        """Names of images that OME-Zarr has no place for, and why."""

    def put(self, group: Sequence[tuple[Image, int]]) -> None:
        """Add images that were opened together, with their numbers in the loader.

        Labels lie in the image that they came with; where there are several, on their own.
        """
        offers = list(self._offers(group))
        images = [offer for offer in offers if offer.image.kind == "image"]
        if len(images) == 1:
            for offer in offers:
                if offer is not images[0]:
                    name = _free(_plain(offer.image.name), images[0].labels)
                    images[0].labels[name] = offer
            offers = images
        for offer in offers:
            self.offers[self._name(offer.image.name)] = offer

    def make(self, group: Sequence[tuple[Image, int]]) -> Offer:
        """An offer of images that were opened together, on no shelf: of the first, with its labels.

        Raises:
            UsageError: OME-Zarr has no place for it.
        """
        aside = Shelf(self._codec)
        aside.put(group)
        if not aside.offers:
            raise UsageError(next(iter(aside.refused.values()), "There is no image."))
        return next(iter(aside.offers.values()))

    def _offers(self, group: Sequence[tuple[Image, int]]) -> Iterator[Offer]:
        for image, number in group:
            try:
                yield Offer(image, number, ZarrImage(image, self._codec))
            except UsageError as error:
                self.refused[image.name] = str(error)

    def _name(self, name: str) -> str:
        plain = _plain(name)
        names = (f"{plain}{end}.zarr" for end in _ends())
        return next(one for one in names if one not in self.offers and one not in self._taken)


def _free(name: str, taken: dict[str, Offer]) -> str:
    return next(one for one in (f"{name}{end}" for end in _ends()) if one not in taken)


def _ends() -> Iterator[str]:
    return itertools.chain([""], (f"-{number}" for number in itertools.count(2)))


def _plain(name: str) -> str:
    """A name that is one part of an address and needs no thought."""
    plain = re.sub(r"[^\w.-]+", "_", name).lstrip("._")[:LONGEST_NAME]
    return plain.removesuffix(".zarr").removesuffix(".ome") or "image"
