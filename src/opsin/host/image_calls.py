"""Image calls: operations that a script calls on images. They give images, and tables as columns.

Such a call is a run like any other, and is recorded: every plane in turn, streamed to the disk.
What it gives lies in a folder that goes when the program ends; `save` keeps it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from opsin.errors import Cancelled, UsageError, WriteError
from opsin.host.calls import Program
from opsin.host.host import Host
from opsin.host.host_thread import HostThread
from opsin.host.job import Job, NewLines, Result
from opsin.host.results import write_table
from opsin.host.run import suffix_of
from opsin.host.selection import PIXELS, Given, Whole
from opsin.images.draft import draft_name
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.images.memory import image_from_array
from opsin.images.points import Points
from opsin.images.points.columns import AXES
from opsin.images.points.layer import PointsLayer
from opsin.images.points.rows import (
    SHAPE,
    Rows,
    RowsKind,
    read_rows,
    rows_from_columns,
    rows_from_points,
)
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.images.write import write_image
from opsin.plugins.manifest import Input
from opsin.workers.supervision import Supervision

_folders: dict[Path, count[int]] = {}
"""Where results of this process lie, by the workspace that they are in, and how many there are."""
_lock = threading.Lock()


def call_on_images(
    host: HostThread,
    program: Program,
    images: Mapping[str, Image | Rows],
    supervision: Supervision | None = None,
) -> list[Any]:
    """Run an operation on all of the finest level of images, and on rows; what it gives, in order.

    Raises whatever the plugin does, and UsageError.
    """
    layers: dict[str, Given] = {
        name: Layer(one.name, one) if isinstance(one, Image) else one
        for name, one in images.items()
    }
    outputs = program.operation.outputs
    folder = _folder(host.host.workspace.results)
    targets = [folder / f"{number}{suffix_of(one.kind)}" for number, one in enumerate(outputs)]
    job: Job = host.run(_run(host.host, program, layers, targets, supervision))
    if job.failure is not None:
        raise job.failure
    if job.state != "done":
        raise Cancelled(f"{job.title} was cancelled.")
    return [_opened(result) for result in job.results]


def like(image: Image, name: str, value: Any) -> Image:
    """An array of as many pixels as an image, as an image at the same place.

    Raises:
        UsageError: it has others, or is none.
    """
    if isinstance(value, (Mapping, list, tuple)):
        raise UsageError(f"{name} is no image: give arrays for all inputs, image.read() for one.")
    array = np.asarray(value)
    level = image.levels[0]
    kept = list(range(len(image.axes)))
    if array.shape != level.shape and image.channel_axis is not None:
        kept.remove(image.channel_axis)
    if array.shape != tuple(level.shape[axis] for axis in kept):
        raise UsageError(
            f"{name} is an array of shape {array.shape}, but {image.name} has {level.shape}: "
            "give it as an image, such as opsin.image_from_array makes."
        )
    return image_from_array(
        array,
        axes=[image.axes[axis].name for axis in kept],
        name=name,
        scale=[level.scale[axis] for axis in kept],
        translation=[level.translation[axis] for axis in kept],
        units=[image.axes[axis].unit for axis in kept],
    )


def rows_like(image: Image | None, one: Input, value: Any) -> Rows:
    """What is given for an input of points, shapes or a table, as rows.

    Args:
        image: on whose pixels (of its finest level) positions in arrays are; None: in the world.
        one: the input.
        value: rows; a dict of columns, with positions in the world; points; or an array (points,
            axes), of shapes a list of arrays (corners, axes).

    Raises:
        UsageError: it is none of these.
        Unsupported: it has no positions.
    """
    kind: RowsKind = one.kind  # type: ignore[assignment] # one of ROWS
    if isinstance(value, PointsLayer):
        value = value.points
    if isinstance(value, Points):
        return rows_from_points(value).said_to_be(kind)
    if isinstance(value, Rows):
        return value.said_to_be(kind)
    if isinstance(value, Mapping):
        return rows_from_columns(value, kind, one.name)
    if kind == "table":
        raise UsageError(f"{one.name} is no table: give a dict of columns, or a file.")
    parts = [np.asarray(part) for part in value] if kind == "shapes" else [np.asarray(value)]
    axes = _axes_for(image, one, parts)
    columns: dict[str, Any] = {}
    if kind == "shapes":
        numbers = [np.full(len(part), number) for number, part in enumerate(parts)]
        columns[SHAPE] = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
    joined = np.concatenate(parts) if parts else np.empty((0, len(axes)))
    for number, name in enumerate(axes):
        column = joined[:, number].astype(np.float64)
        if image is not None:
            level, axis = image.levels[0], image.axis(name)
            column = level.translation[axis] + level.scale[axis] * column
        columns[name] = column
    return rows_from_columns(columns, kind, one.name)


def _axes_for(image: Image | None, one: Input, parts: Sequence[Array]) -> tuple[str, ...]:
    """The axes of positions, the last ones that there are."""
    counts = {part.shape[1] if part.ndim == 2 else 0 for part in parts}
    known = AXES
    if image is not None:
        known = "".join(axis.name for axis in image.axes if axis.name in AXES)
    if len(counts) > 1 or not counts <= set(range(2, len(known) + 1)):
        raise UsageError(
            f"{one.name} is no array of positions along {', '.join(known[-2:])}: "
            f"it has the shape {parts[0].shape if len(parts) == 1 else 'of several'}."
        )
    return tuple(known[-min(counts, default=2) :])


def save(value: Any, path: str | Path) -> None:
    """Write what an operation gave: an image as OME-Zarr, a table or an array of numbers as CSV.

    Args:
        value: an image, which may come from anywhere; a NumPy array of two or more axes, which is
            an image too; or a table: a dict of columns.
        path: a folder that does not exist yet, whose name ends with `.zarr`; of a table a file,
            which becomes Parquet if its name ends with `.parquet`.

    Raises:
        WriteError: it cannot be written, or there is something.
        UsageError: that is nothing to be written.
    """
    place = Path(path).absolute()
    if place.exists():
        raise WriteError(f"{place} exists already: choose another name, or remove it first.")
    if isinstance(value, Mapping):
        write_table(value, place)
        return
    image = value
    if isinstance(value, np.ndarray) and value.ndim >= 2:
        image = image_from_array(value)
    if not isinstance(image, Image):
        raise UsageError(f"A {type(value).__name__} cannot be saved: give an image or a table.")
    if not place.name.endswith(".zarr"):
        raise UsageError(f"{place} cannot hold an image: let its name end with .ome.zarr.")
    if image.origin is not None and _is_ours(Path(image.origin.address)):
        _link(Path(image.origin.address), place)
    else:
        write_image(image, place)


async def _run(
    host: Host,
    program: Program,
    layers: Mapping[str, Given],
    targets: list[Path],
    supervision: Supervision | None,
) -> Job:
    job = host.run(program, layers, Whole(), targets, supervision=supervision)
    stop = job.listen(_printer(job))
    try:
        await job.wait()
    finally:
        stop()
        job.cancel()
        await job.wait()
    host.forget_job(job.id)
    return job


def _printer(job: Job) -> Callable[[Job], None]:
    """Print what the plugin prints from now on, where it would go if it were called directly."""
    printed = NewLines(job, job.lines)

    def changed(_: Job) -> None:
        for line in printed.take():
            print(line, file=sys.stderr)  # noqa: T201

    return changed


def _folder(results: Path) -> Path:
    """A new folder for the results of one call."""
    with _lock:
        known = next((one for one in _folders if one.parent == results and one.exists()), None)
        if known is None:
            known = results / draft_name("script")
            known.mkdir(mode=0o700)
            _folders[known] = count()
        folder = known / str(next(_folders[known]))
    folder.mkdir(mode=0o700)
    return folder


@atexit.register
def drop_results() -> None:
    """Remove what was not saved: images that calls have given can be read no more.

    At the end of the program that is after the host has ended, which registers itself later.
    """
    with _lock:
        for folder in _folders:
            shutil.rmtree(folder, ignore_errors=True)
        _folders.clear()


def _is_ours(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _folders)


def _link(source: Path, target: Path) -> None:
    """The same files under another name, which takes no room; or copies, on another disk."""
    draft = target.with_name(draft_name(target.name))
    try:
        shutil.copytree(source, draft, copy_function=_link_or_copy)
        draft.rename(target)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise WriteError(f"{target} cannot be written: {error}.") from error


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _opened(result: Result) -> Any:
    if result.kind in PIXELS:
        return open_image(result.path)
    return dict(read_rows(result.path))
