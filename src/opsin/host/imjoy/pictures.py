"""Pictures: the arrays that a plugin of ImJoy gives, as images that lie where its input lay."""

from __future__ import annotations

import asyncio
import itertools
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import Cancelled, OpsinError
from opsin.host.job import Job, Result
from opsin.host.run import suffix_of
from opsin.images.image import Image, Kind
from opsin.images.memory import image_from_array
from opsin.images.waiting import on_thread
from opsin.images.write import write_image

LABELS = ("label", "labels", "mask", "masks", "segmentation")
"""What whole numbers are called that tell objects apart."""
PLAIN = ("image", "result", "output", "")
"""Names that say nothing beside that of the plugin."""
MOST = 16
"""Pictures of one run."""
COLOURS = (3, 4)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the image lies that a plugin was given.

    Attributes:
        shape, axes: of what it was given.
        scale, translation, units: along these axes, as `opsin.host.inputs.metadata_of` tells them.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str | None, ...]


def pictures(result: Any, title: str, place: Place | None) -> tuple[list[Image], Any]:
    """The images in what a plugin gave: it is an array, or a map that has some.

    Args:
        title: of the plugin.
        place: of its input. What has the shape of that lies there, in colours or not; other arrays
            have pixels of one, and axes as `image_from_array` guesses.

    Returns:
        The images, and what was given without them.
    """
    if _is_picture(result):
        return [_picture(result, "", title, place)], None
    if not isinstance(result, dict) or result.get("type"):  # that is a window
        return [], result
    found = {key: value for key, value in result.items() if _is_picture(value)}
    taken = dict(list(found.items())[:MOST])
    rest = {key: value for key, value in result.items() if key not in taken}
    return [_picture(value, str(key), title, place) for key, value in taken.items()], rest


async def write_pictures(job: Job, images: list[Image], folder: Path) -> None:
    """Write images to a folder of their job, as its results.

    Raises:
        WriteError: the disk does not take them.
        Cancelled: the job was.
    """
    if not images:
        return
    job.enter("writing")
    await asyncio.to_thread(folder.mkdir, 0o700)
    results = []
    for number, image in enumerate(images):
        path = folder / f"{number + 1}{suffix_of(image.kind)}"
        await _write(image, path)
        results.append(Result(image.kind, image.name, path))
    job.results = results


async def write_images(images: list[Image], folder: Path) -> list[Path]:
    """Write images to a folder of the user's, by their names; nothing there is overwritten.

    Raises:
        WriteError: the disk does not take them.
    """
    written = []
    for image in images:
        plain = re.sub(r"[^\w.-]+", "_", image.name).strip("._") or "image"
        names = (plain if n == 1 else f"{plain}-{n}" for n in itertools.count(1))
        paths = (folder / f"{name}{suffix_of(image.kind)}" for name in names)
        path = next(one for one in paths if not one.exists())
        await _write(image, path)
        written.append(path)
    return written


async def _write(image: Image, path: Path) -> None:
    stopped = False

    def check(done: int, total: int) -> None:
        if stopped:
            raise Cancelled("The job was cancelled.")

    writing = asyncio.ensure_future(on_thread(None, write_image, image, path, progress=check))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        stopped = True
        with suppress(OpsinError):
            await writing
        raise


def _is_picture(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.ndim >= 2
    return is_array and value.size > 0 and value.dtype.kind in "buif"


def _picture(array: np.ndarray[Any, Any], key: str, title: str, place: Place | None) -> Image:
    is_labels = key.lower() in LABELS and array.dtype.kind in "bui"
    kind: Kind = "labels" if is_labels else "image"
    name = title if key.lower() in PLAIN else f"{title} {key[:60]}"
    if place is not None and array.shape == place.shape:
        axes, scale, translation, units = place.axes, place.scale, place.translation, place.units
        is_rgb = False
    elif place is not None and array.shape[:-1] == place.shape and array.shape[-1] in COLOURS:
        axes, scale = (*place.axes, "c"), (*place.scale, 1.0)
        translation, units = (*place.translation, 0.0), (*place.units, None)
        is_rgb = not is_labels
    else:
        return image_from_array(array, name=name, kind=kind, rgb=False if is_labels else None)
    return image_from_array(
        array,
        axes=axes,
        name=name,
        scale=scale,
        translation=translation,
        units=units,
        kind=kind,
        rgb=is_rgb,
    )
