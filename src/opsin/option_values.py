"""Option values: what stands behind an option of the command line, as sizes, places and names.

Each function takes the text, and raises `argparse.ArgumentTypeError` (or `ValueError`), with a
sentence, if it is no such value.
"""

from __future__ import annotations

import argparse
import math
import re

PLUGIN_FORMS = ("py", "imjoy", "npe2")
PLUGIN_TEMPLATES = {
    **dict.fromkeys(("filter", "labels", "points", "table"), ".py"),
    "stub": ".pyi",
    **dict.fromkeys(
        ("window", "web-worker", "web-python", "native-python", "collection"), ".imjoy.html"
    ),
}
"""Templates of plugins, and what the names of their files end with."""

_ORIGIN = re.compile(r"(https?)://([\w.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?/?")

FAR = 1e30
"""A world position beyond which there is nothing."""

LEAST_MEMORY = 64 * 2**20

HOURS = {"h": 1, "d": 24, "w": 7 * 24}
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def size(text: str) -> int:
    """Bytes from `512M`, `2G`, `1.5GiB` or a plain number."""
    number = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = number[-1:] if number[-1:].isalpha() else ""
    try:
        size = int(float(number.removesuffix(unit)) * UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size: write it like 512M or 2G"
        ) from None
    if size < 16 * 2**20:
        raise argparse.ArgumentTypeError(f"{text} is too little: give at least 16M")
    return size


def memory(text: str) -> int:
    """Bytes that a plugin may take: a `size` in which Python and NumPy fit, and something else."""
    found = size(text)
    if found < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text} is too little for any plugin: give at least 64M")
    return found


def origin(text: str) -> str:
    """The origin of pages, as browsers write it: `https://my.site`, `http://127.0.0.1:8123`."""
    found = _ORIGIN.fullmatch(text.strip().lower())
    try:
        if found is None:
            raise ValueError(text)
        scheme, host, port = found.groups()
        host = host if host.startswith("[") else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no origin of pages: write it like https://my.site or "
            "http://127.0.0.1:8123, one for each site"
        ) from None
    is_usual = port in (None, {"http": "80", "https": "443"}[scheme])
    return f"{scheme}://{host}" + ("" if is_usual else f":{int(port)}")


def seconds(text: str) -> float:
    """Seconds above 0."""
    try:
        found = finite(text)
    except ValueError:
        found = 0.0
    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, as in 600")
    return found


def age(text: str) -> float:
    """Seconds from `12h`, `30d` or `4w`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write it like 12h, 30d or 4w")
    return float(found[1]) * HOURS[found[2]] * 3600


def sizes(text: str) -> tuple[int, ...]:
    """Pixels along axes from `512` or `64,256,256`."""
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of sizes: write it like 512 or 64,256,256"
        ) from None


def dimensions(text: str) -> tuple[int, int]:
    """Width and height from `800x600`."""
    try:
        width, height = map(int, text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write it like 800x600") from None
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise argparse.ArgumentTypeError("a picture has 1 to 16384 pixels along each side")
    return width, height


def columns(text: str) -> dict[str, str]:
    """Names of columns by axis from `z=Z,y=Y,x=X`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(axis and column for axis, _, column in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of columns: write it like z=Z,y=Y,x=X"
        )
    return {axis.strip(): column.strip() for axis, _, column in pairs}


def positions(text: str) -> dict[str, float]:
    """World positions by axis from `z=4.5,t=0`."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {axis.strip(): finite(world) for axis, world in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of positions: write it like z=4.5,t=0"
        ) from None


def point(text: str) -> tuple[float, ...]:
    """World position from `Y,X` or `Z,Y,X`."""
    try:
        place = tuple(map(finite, text.split(",")))
    except ValueError:
        place = ()
    if not 2 <= len(place) <= 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not a position: write it like 1200.5,340")
    return place


Corner = tuple[float, float, float]


def box(text: str) -> tuple[Corner, Corner]:
    """Low and high corner along z, y and x from `0:10,:,-5:40`; an end left out is open."""
    try:
        (z, far_z), (y, far_y), (x, far_x) = (_span(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a box: write it like 0:10,:,-5:40, along z, y and x"
        ) from None
    return (z, y, x), (far_z, far_y, far_x)


def _span(text: str) -> tuple[float, float]:
    low, high = text.split(":")
    first = finite(low) if low.strip() else -FAR
    last = finite(high) if high.strip() else FAR
    if not first < last:
        raise ValueError(f"nothing is in {text}")
    return first, last


def angles(text: str) -> tuple[float, ...]:
    """Degrees from `30`, `30,20` or `30,20,10`."""
    try:
        turns = tuple(map(finite, text.split(",")))
    except ValueError:
        turns = ()
    if not 1 <= len(turns) <= 3:
        raise argparse.ArgumentTypeError(f"{text!r} are no angles: write them like 30,20")
    return turns


def zoom(text: str) -> float:
    """A positive number, with room for computing with it."""
    try:
        zoom = float(text)
    except ValueError:
        zoom = 0
    if not 1e-100 < zoom < 1e100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a zoom: give a number above 0")
    return zoom


def finite(text: str) -> float:
    """A number that is somewhere.

    Raises:
        ValueError: it is none, or infinite.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is nowhere")
    return number
