"""Catalogue: the formulas that there are. Adding one is a line here and a module of its name."""

from __future__ import annotations

from opsin.errors import UsageError
from opsin.images.synthetic.generator import Generator

_PLANE, _VOLUME = 1 << 27, 1 << 20

GENERATORS = {
    generator.name: generator
    for generator in (
        Generator("cells", "yx", "uint64", _PLANE, _VOLUME, kind="labels", scratch=56),
        Generator("checkerboard", "yx", "uint8", _PLANE, _VOLUME, compiled=False),
        Generator("julia", "yx", "uint16", _PLANE, _VOLUME, colour=True),
        Generator("mandelbrot", "yx", "uint16", _PLANE, _VOLUME, colour=True),
        Generator("mandelbulb", "zyx", "uint8", _VOLUME, _VOLUME, scratch=20),
    )
}


def generator(name: str) -> Generator:
    """The formula of this name.

    Raises:
        UsageError: there is none.
    """
    try:
        return GENERATORS[name]
    except KeyError:
        *others, last = sorted(GENERATORS)
        there = f"{', '.join(others)} and {last}"
        raise UsageError(f"There is no synthetic image {name!r}: there are {there}.") from None
