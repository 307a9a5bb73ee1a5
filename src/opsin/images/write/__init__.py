"""Write: any image as a multiscale OME-Zarr, all levels in one pass, memory bounded, resumable."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from opsin.errors import UsageError, WriteError
from opsin.images.draft import draft_name, kept_draft, remove_dead_drafts
from opsin.images.image import Image
from opsin.images.ome_metadata import checked_path
from opsin.images.source import Array
from opsin.images.waiting import wait_for
from opsin.images.write.codec import CodecName
from opsin.images.write.files import Files, file_of, write_documents
from opsin.images.write.journal import Journal, began
from opsin.images.write.layout import Layout, describes, layout_of
from opsin.images.write.metadata import documents_of, labels_group
from opsin.images.write.options import OmeVersion, Options, Sizes, options_of
from opsin.images.write.run import Run, chunks_done
from opsin.images.write.shards import ShardMemory
from opsin.images.write.windows import with_windows

Progress = Callable[[int, int], None]

_WAY = 1
"""Another number whenever the same image would be written otherwise than before: what an older
Opsin left undone is not continued then."""
_ZARR = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def write_image(
    image: Image,
    path: str | Path,
    *,
    levels: int | None = None,
    chunks: Sizes | None = None,
    shards: Sizes | None = None,
    codec: CodecName | None = None,
    ome: OmeVersion = "0.5",
    halve: Sequence[str] = "yx",
    labels: Sequence[Image] = (),
    overwrite: bool = False,
    resume: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Write an image, and labels that belong to it, as OME-Zarr.

    The finest level is copied; coarser ones are made from it as `opsin.images.halving` says, all in
    one pass. Chunks that are all zero are left out. Axes are put in the order that OME-Zarr
    demands: time, channels, another one, space; colours (RGB) become channels. The folder gets
    its name only when it is complete; after a failure or Ctrl-C nothing is left, but with `resume`.

    Args:
        image: its finest level is written.
        path: a folder that does not exist yet, in one that does.
        levels: how many; by default until one fits into a chunk along the axes that are halved.
        chunks: pixels of a chunk along the axes that are halved, or one number for each of the
            last axes (and 1 along others). Even numbers. By default 512 × 512, and 64 × 128 × 128
            where three axes are halved.
        shards: pixels of a shard, likewise: whole numbers of chunks, which then share a file.
        codec: `blosc-lz4`, `blosc-zstd` (with bit shuffle), `zstd`, `gzip` or `none`; by default
            `blosc-lz4` for images, and `blosc-zstd` for labels.
        ome: the version of OME-Zarr. 0.4 is zarr 2, which has no shards.
        halve: names of the axes that are halved from level to level: y and x, or z too. z waits
            until pixels are about as large along y and x as along z (`pyramid_levels`).
        labels: written to `labels/<name>` inside the image.
        overwrite: replace a zarr at `path`, when all is written.
        resume: anything that stands for the pixels and changes when they do. What a write of the
            same image (by this), with the same options, to the same path left undone when it was
            interrupted or killed is continued; what it left stays beside `path` until then.
        progress: called with (chunks written, chunks in all) at the beginning, and then from other
            threads, one call at a time.

    Raises:
        UsageError: options that make no sense, or do not fit the image.
        WriteError: the path exists, or the disk does not take it.
        ReadError: the image cannot be read.
    """
    target = Path(path).absolute()
    options = options_of(levels, chunks, shards, codec, ome, halve)
    names = [one.name for one in labels]
    if len(set(names)) < len(names) or any(checked_path(n) != n or "/" in n for n in names):
        raise UsageError(f"Labels need different names that can name a folder, not {names}.")
    main = layout_of(image, options)
    parts = [_Part("", main)]
    for one in labels:
        layout = layout_of(replace(one, kind="labels"), _as_of(main, options, one))
        parts.append(_Part(f"labels/{one.name}", layout))
    _check_target(target, overwrite)
    what = None
    if resume is not None:
        what = json.dumps([_WAY, resume, [describes(part.layout) for part in parts]])
    try:
        remove_dead_drafts(target.parent)
        with _draft(target, what) as draft:
            made = draft / "image"
            _write(parts, draft, made, names, what is not None, progress)
            _publish(made, target, overwrite)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{target} cannot be written: {reason}.") from error


@dataclass(frozen=True, slots=True)
class _Part:
    """An image, or labels of it, and where it lies below the image."""

    path: str
    layout: Layout


class _Tally:
    """Chunks written. Safe on several threads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done = 0
        self._total = total
        self._progress = progress
        self._lock = threading.Lock()

    def begin(self, count: int) -> None:
        """So many were written before."""
        self._done = count
        if self._progress is not None:
            self._progress(count, self._total)

    def add(self, count: int) -> None:
        """So many more are written."""
        with self._lock:
            self._done += count
            if count and self._progress is not None:
                self._progress(self._done, self._total)


def _write(
    parts: Sequence[_Part],
    draft: Path,
    made: Path,
    labels: Sequence[str],
    resumable: bool,
    progress: Progress | None,
) -> None:
    """Write what is not written yet of all parts."""
    scratch = draft / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    if labels:
        write_documents(made / "labels", labels_group(parts[0].layout.ome, labels))
    with ExitStack() as opened:
        journals: list[Journal | None] = [None] * len(parts)
        done: list[tuple[Array, ...] | None] = [None] * len(parts)
        if resumable:
            for number, part in enumerate(parts):
                path = partial(file_of, str(made / part.path), part.layout)
                known = Journal(draft / "journal" / str(number), part.layout.grids, path)
                opened.callback(known.close)
                journals[number], done[number] = known, chunks_done(part.layout, known.done)
        tally = _Tally(sum(_chunks(part.layout) for part in parts), progress)
        tally.begin(sum(int(level.sum()) for levels in done for level in levels or ()))
        memory = ShardMemory()
        for part, journal, levels in zip(parts, journals, done, strict=True):
            folder = made / part.path
            files = Files(folder, part.layout, scratch, memory, journal)
            try:
                run = Run(part.layout, files, os.cpu_count() or 1, levels, tally.add)
                wait_for(run.run())
            finally:
                files.close()
            known_now = wait_for(with_windows(part.layout, folder))
            if known_now is not part.layout:
                write_documents(folder, documents_of(known_now))


def _chunks(layout: Layout) -> int:
    total = 0
    for level in layout.levels:
        count = 1
        for size in level.grid:
            count *= size
        total += count
    return total


def _as_of(main: Layout, options: Options, labels: Image) -> Options:
    """The options for labels of an image: sizes go by the names of its axes."""
    names = main.image.axis_names

    def sizes(given: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if given is None or len(given) == 1:
            return given
        known = dict(zip(names[-len(given) :], given, strict=True))
        order = layout_of(labels, Options(levels=1)).image.axis_names
        return tuple(known.get(name, 1) for name in order)

    halve = tuple(name for name in options.halve if name in labels.axis_names) or ("y", "x")
    return replace(options, chunks=sizes(options.chunks), shards=sizes(options.shards), halve=halve)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise WriteError(f"{target.parent} is no folder: make it first.")
    if not (target.exists() or target.is_symlink()):
        return
    if not overwrite:
        raise WriteError(
            f"{target} exists already: choose another name, remove it first, or let it be "
            "overwritten."
        )
    if target.is_symlink() or not any((target / name).is_file() for name in _ZARR):
        raise WriteError(f"{target} is no zarr, so it is not overwritten: remove it yourself.")


@contextmanager
def _draft(target: Path, what: str | None) -> Iterator[Path]:
    """The folder to write in: one that stays if there is an error, or one that does not."""
    if what is None:
        folder = target.with_name(draft_name(target.name))
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    with kept_draft(target, what) as folder:
        finished = False
        try:
            yield folder
            finished = True
        finally:
            if finished or not began(folder / "journal"):
                shutil.rmtree(folder, ignore_errors=True)


def _publish(made: Path, target: Path, overwrite: bool) -> None:
    """Give what was made its name."""
    if not (overwrite and target.exists()):
        # Whatever got this name meanwhile makes this fail (but an empty folder, which is no loss).
        made.rename(target)
        return
    old = target.with_name(draft_name(target.name))
    target.rename(old)
    try:
        made.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
