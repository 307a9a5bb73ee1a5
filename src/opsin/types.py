"""Types: what a plugin's functions take and give, as annotations, and `progress`.

A function annotated with these names is an operation. It gets and returns plain NumPy arrays, so
calling it directly gives the same arrays as running it in Opsin:

    def nuclei(image: Image, sigma: Annotated[float, Field(minimum=0)] = 2.0) -> Labels: ...

This module is imported by every worker, so it needs the standard library only. NumPy is loaded
when the first annotation of an array is used.
"""

from __future__ import annotations

import contextvars
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, TypeVar

from opsin.errors import Cancelled, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Axes",
    "Field",
    "Image",
    "Labels",
    "LazyImage",
    "Metadata",
    "Points",
    "Shapes",
    "Surface",
    "Table",
    "Tracks",
    "Vectors",
    "progress",
]

T = TypeVar("T")

KindName: TypeAlias = Literal[
    "image", "labels", "points", "shapes", "surface", "tracks", "vectors", "table"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the array that an annotation stands for means."""

    name: KindName


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes that an operation works on, in array order: `Annotated[Image, Axes("zyx")]`.

    Axes are single lower-case letters, as in OME-Zarr: `t`, `c`, `z`, `y`, `x`.

    Raises:
        UsageError: `names` is empty, names an axis twice, or holds something else.
    """

    names: str

    def __post_init__(self) -> None:
        letters = all("a" <= letter <= "z" for letter in self.names)
        if not self.names or not letters or len(set(self.names)) != len(self.names):
            raise UsageError(
                f'Axes are different letters such as "yx" or "zyx", not {self.names!r}.'
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How a form shows a parameter: `Annotated[float, Field(minimum=0, unit="px")]`.

    `minimum` and `maximum` belong to the range, `exclusive_minimum` and `exclusive_maximum` do
    not. `step` is what one click changes; `multiple_of` is also demanded of values that are typed.
    `title` and `description` may be given to inputs and outputs too. A description here goes
    before the one in the docstring.
    """

    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    multiple_of: float | None = None
    step: float | None = None
    unit: str | None = None
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where an input array lies in the world. An operation that has a parameter of this type
    gets it: about the input NAME if the parameter is called `NAME_metadata`, else about its first.

    `axes`, `scale`, `translation` and `units` have one entry per axis of the array, in its order.
    The centre of pixel `i` lies at `translation + scale * i`, in `units` (names as in OME-Zarr,
    such as `micrometer`; None: unknown). `level` is the resolution level that the array comes
    from, `channel` the index of its channel (None: the image has no channels, or all are here).
    """

    axes: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str | None, ...]
    level: int = 0
    channel: int | None = None
    name: str = ""


class LazyImage(Protocol):
    """An image whose pixels are fetched when it is indexed; a NumPy array is one, too.

    `image[100:200, :, 3]` is a NumPy array: whole numbers and slices, one per axis or fewer.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


Table: TypeAlias = Annotated[dict[str, Any], Kind("table")]
"""Columns by name: arrays or lists, all of one length."""

if TYPE_CHECKING:
    Image: TypeAlias = Annotated[NDArray[Any], Kind("image")]
    Labels: TypeAlias = Annotated[NDArray[Any], Kind("labels")]
    Points: TypeAlias = Annotated[NDArray[Any], Kind("points")]
    Tracks: TypeAlias = Annotated[NDArray[Any], Kind("tracks")]
    Vectors: TypeAlias = Annotated[NDArray[Any], Kind("vectors")]
    Shapes: TypeAlias = Annotated[list[NDArray[Any]], Kind("shapes")]
    Surface: TypeAlias = Annotated[tuple[NDArray[Any], ...], Kind("surface")]
else:

    def __getattr__(name: str) -> Any:
        """The annotations of arrays, which need NumPy.

        Image     pixels, along the axes that the operation works on
        Labels    whole numbers: 0 is nothing, 7 is object 7
        Points    (points, axes): positions in pixels of the input, pixel centres at whole numbers
        Tracks    (points, 2 + axes): track, time, position
        Vectors   (vectors, 2, axes): position and extent
        Shapes    a list of polygons, each (corners, axes)
        Surface   vertices (vertices, axes), triangles (triangles, 3) and, if any, values (vertices)
        """
        if name not in {"Image", "Labels", "Points", "Tracks", "Vectors", "Shapes", "Surface"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import numpy as np

        array = {"Shapes": list[np.ndarray], "Surface": tuple[np.ndarray, ...]}.get(
            name, np.ndarray
        )
        globals()[name] = Annotated[array, Kind(name.lower())]
        return globals()[name]

    def __dir__() -> list[str]:
        return __all__


class Reporter(Protocol):
    """Who hears of an operation's progress. Both methods are called at every step: be quick."""

    def cancelled(self) -> bool:
        """Whether the job is to end."""

    def report(self, done: float, total: float | None, description: str) -> None:
        """`done` of `total` steps (None: unknown) of the outermost loop are done."""


@dataclass(slots=True, eq=False)
class _Loop:
    """A loop over `progress` that has not ended yet."""

    total: int | None
    description: str
    done: int = 0


@dataclass(frozen=True, slots=True)
class _Listening:
    """A reporter, and the loops that are running, outermost first."""

    reporter: Reporter
    loops: list[_Loop]

    def step(self) -> None:
        """Report. An inner loop of a loop moves it on by a part of a step."""
        if self.reporter.cancelled():
            raise Cancelled("The job was cancelled.")
        share = 0.0
        for loop in reversed(self.loops[1:]):
            share = min(1.0, (loop.done + share) / loop.total) if loop.total else 0.0
        outer = self.loops[0]
        done = outer.done + (share if outer.total else 0)
        said = (loop.description for loop in reversed(self.loops) if loop.description)
        self.reporter.report(done, outer.total, next(said, ""))


_listening: contextvars.ContextVar[_Listening | None] = contextvars.ContextVar(
    "opsin.types.listening", default=None
)


def progress(
    iterable: Iterable[T], total: int | None = None, description: str = ""
) -> Generator[T, None, None]:
    """The items of `iterable`, one by one, while whoever runs the operation is told how far it is.

    Called outside of Opsin, it only gives the items. Strings describe the step that they begin, if
    there is no `description`; so an operation without a loop may say where it is, too:

        steps = progress(["smooth", "split"])
        next(steps)

    Loops may be nested. A thread that the operation starts by itself is not heard.

    Raises:
        Cancelled: somebody cancelled the job.
    """
    listening = _listening.get()  # now, and not when the first item is asked for
    if listening is None:
        return (item for item in iterable)
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    return _reported(listening, iterable, _Loop(total, description))


def _reported(
    listening: _Listening, iterable: Iterable[T], loop: _Loop
) -> Generator[T, None, None]:
    listening.loops.append(loop)
    itemised = not loop.description
    try:
        for item in iterable:
            if itemised and isinstance(item, str):
                loop.description = item
            listening.step()
            yield item
            loop.done += 1
        listening.step()
    finally:
        listening.loops.remove(loop)


@contextmanager
def reporting(reporter: Reporter) -> Iterator[None]:
    """Tell `reporter` of the progress of what is called inside. For whoever runs operations."""
    token = _listening.set(_Listening(reporter, []))
    try:
        yield
    finally:
        _listening.reset(token)
