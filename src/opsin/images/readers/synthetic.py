"""Synthetic images by name: `synthetic:mandelbrot`, or `synthetic:mandelbrot,size=4096,axes=cyx`.

Behind the name stand settings, with commas between them, none of which a shell takes for its own:

* `axes=tzyx`: some of t, c, z, y, x;
* `size=4096` along z, y and x, or `size=10x64x4096x4096` along each axis;
* `chunk=256`, like `size`;
* `dtype=uint16`;
* `levels=5`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opsin.errors import NotFound, Unsupported, UsageError
from opsin.images.image import Image
from opsin.images.readers.address import Address
from opsin.images.synthetic import synthetic_image
from opsin.images.synthetic.catalogue import GENERATORS

READS = "synthetic images"

_NUMBER = re.compile("[0-9]{1,10}")


def recognises(address: Address) -> bool:
    """Whether the address is a formula, known or not."""
    return address.formula is not None


def open(address: Address) -> tuple[Image, ...]:
    """The image that the formula stands for.

    Raises:
        NotFound: there is no such formula.
        Unsupported: a setting that there is not, or that makes no sense; numba is missing.
    """
    if address.formula is None:
        raise Unsupported(f"{address.text} is no formula, such as synthetic:mandelbrot.")
    name, *parts = address.formula.split(",")
    if name not in GENERATORS:
        there = _listed(f"synthetic:{known}" for known in sorted([*GENERATORS, "points"]))
        raise NotFound(
            f"There is no {address.text}{_guess(name, [*GENERATORS, 'points'])}: there are {there}."
        )
    settings: dict[str, Any] = {}
    for part in parts:
        setting, equals, value = part.partition("=")
        if setting not in _SETTINGS or not equals or not value:
            what = f"the setting {setting}" if setting else "a setting without a name"
            if setting in _SETTINGS:
                what = f"{setting} without a value"
            raise Unsupported(
                f"{address.text} has {what}{_guess(setting, _SETTINGS)}: settings are "
                f"{_listed(sorted(_SETTINGS))}, as in synthetic:mandelbrot,size=4096,dtype=uint8."
            )
        if setting in settings:
            raise Unsupported(f"{address.text} sets {setting} twice.")
        settings[setting] = _SETTINGS[setting](address, setting, value)
    try:
        return (synthetic_image(name, **settings),)
    except UsageError as error:
        raise Unsupported(f"{address.text} cannot be made. {error}") from error


def _word(address: Address, setting: str, value: str) -> str:
    return value


def _whole(address: Address, setting: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise Unsupported(
            f"{address.text} cannot be made: {setting} is a whole number, as in {setting}=5."
        )
    return int(value)


def _sides(address: Address, setting: str, value: str) -> int | tuple[int, ...]:
    numbers = value.split("x")
    if not all(map(_NUMBER.fullmatch, numbers)):
        raise Unsupported(
            f"{address.text} cannot be made: {setting} is a number, or one for each axis, as in "
            f"{setting}=512 or {setting}=3x512x512."
        )
    return int(value) if len(numbers) == 1 else tuple(map(int, numbers))


_SETTINGS: Mapping[str, Callable[[Address, str, str], Any]] = {
    "axes": _word,
    "chunk": _sides,
    "dtype": _word,
    "levels": _whole,
    "size": _sides,
}


def _guess(given: str, known: Iterable[str]) -> str:
    """A question, where something known is spelled nearly like what is given."""
    close = difflib.get_close_matches(given[:40], list(known), n=1)
    return f" (do you mean {close[0]}?)" if close and close[0] != given else ""


def _listed(names: Any) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}"
