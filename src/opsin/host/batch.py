"""Batch: a function of images that is called for many, from the command line of its script."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from opsin.errors import OpsinError, UsageError, WriteError
from opsin.host.image_calls import drop_results, save
from opsin.images.image import Image, Origin
from opsin.images.points.rows import Rows, holds_rows, read_rows
from opsin.images.readers import open_origin
from opsin.worker_main import die_with

Process = Callable[..., Mapping[str, Any]]
MADE = "made"
"""What results are called after that were made of no image."""
PARENT = "OPSIN_PARENT"
"""The variable that names the process with which the program of a batch ends, if it started it."""
DONE = "done"
"""The last line of the note of an image of which all results are written."""


class Recorded(NamedTuple):
    """An image that a script is about: number `number` of those at an address."""

    address: str
    number: int = 0
    kind: Any = None


def batch(
    process: Process, *recorded: str | Mapping[str, Any], arguments: Sequence[str] | None = None
) -> None:
    """The command line of a script: call `process` on images, write what it gives, and end.

    `process` gets as many images as are recorded, and returns its results by name. Each is written
    to the folder of results as `IMAGE-NAME.ome.zarr` or `.csv`. Where all are there already, an
    image is passed over, so that the same command goes on after a stop.

    Args:
        process: what is to be done.
        recorded: addresses of the images that it is done to if none is named; as a dict of
            `address`, `number` and `kind`, if one is not the first at its address.
        arguments: by default those of the program.

    Raises:
        SystemExit: always; 0, or 1 if something failed.
    """
    if parent := os.environ.pop(PARENT, ""):
        die_with(int(parent))
    known = [Recorded(**one) if isinstance(one, Mapping) else Recorded(one) for one in recorded]
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    several = len(known) > 1
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help=f"{len(known)} images" if several else "images, or folders of images",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="a folder for the results (results)"
    )
    parser.add_argument("--overwrite", action="store_true", help="make anew what is there")
    options = parser.parse_args(arguments)
    try:
        todo = list(_jobs(options.images, known))
        options.out.mkdir(parents=True, exist_ok=True)
    except (OpsinError, OSError) as error:
        parser.error(str(error))
    failed = 0
    for number, (images, stem) in enumerate(zip(todo, _stems(todo), strict=True), 1):
        name = Path(images[0].address).name if images else MADE
        _say(f"[{number}/{len(todo)}] {name}")
        try:
            _one(process, images, options.out, stem, options.overwrite)
        except OpsinError as error:
            failed += 1
            _say(f"    failed: {error}")
        except Exception as error:
            failed += 1
            _say(f"    failed: {''.join(traceback.format_exception(error)).rstrip()}")
        drop_results()
    if failed:
        _say(f"{failed} of {len(todo)} failed.")
    sys.exit(1 if failed else 0)


def _one(
    process: Process, images: Sequence[Recorded], out: Path, stem: str, overwrite: bool
) -> None:
    """Process one image, or those that belong together."""
    note = out / f".{stem}.results"
    *begun, state = note.read_text("utf-8").splitlines() if note.exists() else [""]
    if state == DONE and not overwrite and all((out / name).exists() for name in begun):
        _say("    is done already")
        return
    with ExitStack() as opened:
        given = [_open(opened, Origin(*one)) for one in images]
        results = process(*given)
        paths = {
            out / f"{stem}-{key}{'.csv' if isinstance(value, Mapping) else '.ome.zarr'}": value
            for key, value in results.items()
        }
        for path in paths:
            if path.exists():  # of a run that was stopped it may be there
                _remove(path, overwrite or (path.name in begun and state != DONE))
        names = "".join(f"{path.name}\n" for path in paths)
        note.write_text(f"{names}begun", "utf-8")
        for path, value in paths.items():
            save(value, path)
            _say(f"    {path}")
        for value in results.values():
            if isinstance(value, Image):
                value.close()
    note.write_text(f"{names}{DONE}", "utf-8")


def _jobs(named: Sequence[str], known: Sequence[Recorded]) -> Iterator[tuple[Recorded, ...]]:
    """The images of every call."""
    if not known and named:
        raise UsageError("This takes no images.")
    if not named:
        yield tuple(known)
        return
    if len(known) > 1:
        if len(named) != len(known):
            raise UsageError(f"This takes {len(known)} images, not {len(named)}.")
        yield tuple(one._replace(address=text) for text, one in zip(named, known, strict=True))
        return
    for text in named:
        for address in _inside(text):
            yield (known[0]._replace(address=address),)


def _inside(text: str) -> list[str]:
    """The images that a folder holds; other addresses are images."""
    path = Path(text)
    if "://" in text or not path.is_dir() or any((path / name).exists() for name in _ZARR):
        return [text]
    found = sorted(
        one
        for one in path.iterdir()
        if not one.name.startswith(".") and (one.is_file() or one.suffix == ".zarr")
    )
    if not found:
        raise UsageError(f"{text} holds no images.")
    return [str(one) for one in found]


_ZARR = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def _stems(todo: Sequence[Sequence[Recorded]]) -> list[str]:
    """What results are called after: the name of the image, in full where two would be the same."""
    names = [Path(images[0].address).name if images else MADE for images in todo]
    stems = [name.partition(".")[0] or name for name in names]
    same_stems, same_names = Counter(stems), Counter(names)
    return [
        stem if same_stems[stem] == 1 else f"{name}-{number}" if same_names[name] > 1 else name
        for number, (name, stem) in enumerate(zip(names, stems, strict=True), 1)
    ]


def _open(opened: ExitStack, origin: Origin) -> Image | Rows:
    """An image, or the rows of a table."""
    if holds_rows(origin.address):
        return read_rows(origin.address)
    return opened.enter_context(open_origin(origin))


def _remove(path: Path, overwrite: bool) -> None:
    import shutil

    if not overwrite:
        raise WriteError(f"{path} exists already: add --overwrite, or choose another --out.")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 # this is a program's command line
