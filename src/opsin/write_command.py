"""Write command: an image, or points, written in a terminal, with a progress bar."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from opsin.errors import OpsinError, UsageError, WriteError
from opsin.images.draft import kept_drafts
from opsin.images.image import Image, Kind
from opsin.images.points.index import read_index
from opsin.images.points.reader import is_index
from opsin.images.points.write import write_points
from opsin.images.readers import open_images
from opsin.images.readers.address import Address
from opsin.images.write import write_image
from opsin.images.write.identity import identity

SAID_EVERY = 5.0
"""Seconds between two lines of progress, where no terminal shows a bar."""

Say = Callable[[str], None]


def write(
    path: str,
    out: Path,
    options: Mapping[str, Any],
    *,
    number: int | None,
    kind: Kind | None,
    say: Say,
    complain: Say,
) -> int:
    """Write what is at an address as OME-Zarr, and go on where this was left off before.

    Args:
        path: what to write.
        out: what to write it to.
        options: of `write_image`.
        number: which one of several images; None: the first, and its labels.
        kind: what the pixels are; None: what the file says.
        say: prints what was written.
        complain: prints all else that is worth telling.

    Returns:
        The exit status.

    Raises:
        OpsinError: it cannot be written. What is written then stays for the next time.
    """
    target = out.absolute()
    images = open_images(path, kind=kind)
    try:
        main, labels = _chosen(path, images, number, complain)
        for image in (main, *labels):
            for warning in image.warnings:
                complain(f"{image.name}: {warning}")
        _check_apart(path, target)
        if target.exists() and not options["overwrite"]:
            raise WriteError(f"{out} exists already: choose another name, or give --overwrite.")
        words = identity(path, main)
        shown = _Shown(target, bool(kept_drafts(target)))
        with _stopping() as taken, shown:
            try:
                write_image(
                    main, target, labels=labels, resume=words, progress=shown.progress, **options
                )
            except KeyboardInterrupt:
                shown.close()
                complain(f"Stopped. {_kept(target, shown)}".strip())
                if taken:
                    return 128 + taken[0]
                raise
            except OpsinError as error:
                shown.close()
                raise type(error)(f"{error} {_kept(target, shown)}".strip()) from error
    finally:
        for image in images:
            image.close()
    say(str(out))
    return 0


def write_table(
    path: str,
    out: Path,
    options: Mapping[str, Any],
    *,
    say: Say,
    complain: Say,
) -> int:
    """Write a table of points as an index.

    Args:
        path: what to write.
        out: what to write it to.
        options: of `write_points`.
        say: prints what was written.
        complain: prints all else that is worth telling.

    Returns:
        The exit status.

    Raises:
        OpsinError: it cannot be written.
    """
    target = out.absolute()
    place = Address.parse(path)
    if place.path is None or is_index(place.path):
        raise UsageError(f"{path} is no table: points are written from Parquet or CSV.")
    if target.suffix == ".zarr":
        raise UsageError("Points are not written as OME-Zarr: call it cells.points, or the like.")
    _check_apart(path, target)
    with _stopping() as taken, _Shown(target, False, counts=False) as shown:
        try:
            write_points(
                path,
                target,
                progress=lambda part: shown.progress(int(1000 * part), 1000),
                **options,
            )
        except KeyboardInterrupt:
            shown.close()
            complain("Stopped. Nothing is left of it.")
            if taken:
                return 128 + taken[0]
            raise
    document = read_index(target).document
    for note in document.notes:
        complain(f"{document.name}: {note}")
    if any(axis.column.lower() != axis.name for axis in document.axes):
        columns = ", ".join(f"{axis.name} = {axis.column}" for axis in document.axes)
        complain(f"{document.name}: The positions are those of the columns {columns}.")
    say(str(target))
    return 0


def _chosen(
    path: str, images: Sequence[Image], number: int | None, complain: Say
) -> tuple[Image, tuple[Image, ...]]:
    """An image, and the labels that belong to it. Says what is left out."""
    if number is not None and not 0 <= number < len(images):
        many = (
            f"{len(images)} images, 0 to {len(images) - 1}" if len(images) > 1 else "one image, 0"
        )
        raise UsageError(f"{path} has {many}: there is no image {number}.")
    main = images[number or 0]
    labels: tuple[Image, ...] = ()
    if main is images[0] and main.kind == "image":
        labels = tuple(one for one in images if one.kind == "labels")
    left = [f"{i} ({one.name})" for i, one in enumerate(images) if one not in (main, *labels)]
    if left and number is None:
        said = ", ".join(left[:5]) + (", …" if len(left) > 5 else "")
        complain(f"{path} has {len(images)} images. Left out, unless --image names it: {said}.")
    return main, labels


def _check_apart(path: str, target: Path) -> None:
    """Raise unless what is read and what is written are two things."""
    source = Address.parse(path).path
    if source is None:
        return
    source, resolved = source.resolve(), target.resolve()
    if source == resolved or source in resolved.parents or resolved in source.parents:
        raise UsageError(f"{path} is read while {target.name} is written: choose another place.")


def _kept(target: Path, shown: _Shown) -> str:
    """A sentence about what an unfinished write left, or nothing."""
    drafts = kept_drafts(target)
    if not drafts or not shown.done:
        return ""
    return (
        f"{shown.done} of {shown.total} chunks are kept in {drafts[0].name}: the same command goes "
        "on from there."
    )


class _Shown:
    """Shows progress: a bar on a terminal, else a line from time to time. A context manager."""

    def __init__(self, target: Path, known: bool, *, counts: bool = True) -> None:
        """`known`: there is something left of a write to the same target. `counts`: say so, too."""
        self.done = self.total = 0
        self._counts = counts
        self._name = target.name
        self._known = known
        self._began = False
        self._said = time.monotonic()
        console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(f"Writing {self._name}", total=None)

    def __enter__(self) -> _Shown:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away. Idempotent."""
        if self._bar is not None:
            self._bar.stop()

    def progress(self, done: int, total: int) -> None:
        """`write_image` calls this."""
        self.done, self.total = done, total
        if not self._began:
            self._began = True
            if done and self._counts:
                self._note(f"{self._name} goes on from {done} of {total} chunks.")
            elif self._known:
                self._note(
                    f"{self._name} is written from the beginning: the image or the options are not "
                    "those of the write that was left unfinished."
                )
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._said >= SAID_EVERY:
            self._said = time.monotonic()
            chunks = f" ({done} of {total} chunks)" if self._counts else ""
            self._print(f"{self._name}: {_percent(done, total)}{chunks}")

    def _note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.out(text, highlight=False)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        with suppress(OSError):  # nobody reads it any more
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def _percent(done: int, total: int) -> str:
    return f"{100 * done // total} %"


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP stop what runs as Ctrl-C does. The list holds which one came."""
    taken: list[int] = []

    def stop(number: int, frame: object) -> None:
        taken.append(number)
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)):
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, stop)
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
