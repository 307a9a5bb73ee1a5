"""Command line: `opsin view`, `serve`, `info`, `snapshot`, `write`, `run` … Imports late."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opsin import __version__, envs_command, plugins_command, run_command
from opsin import option_values as values
from opsin.errors import NotFound, OpenError, OpsinError, Unsupported, UsageError, WriteError
from opsin.workers.offered_readers import offer_readers

if TYPE_CHECKING:
    from opsin.images.image import Image
    from opsin.images.points import Points

OF_IMAGES: Mapping[str, object] = {
    **dict.fromkeys(("levels", "chunks", "shards", "codec", "image", "kind")),
    "ome": "0.5",
    "halve": "yx",
}
"""Options of `opsin write` that are not for points, and their defaults."""
OF_POINTS: Mapping[str, object] = {"columns": {}, "scale": {}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 1 for an error, 2 for wrong usage."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # there are terminals without a µ
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            options = _parsed(arguments)
        except SystemExit:
            _say()  # the help that argparse wrote, if it can be
            raise
        offer_readers()
        status: int = options.run(options)
    except UsageError as error:
        _complain(str(error))
        return 2
    except OpsinError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has enough of it
        return 1
    return status


def _say(*lines: str) -> None:
    """Print to standard output, at once.

    Raises:
        BrokenPipeError: nobody reads it any more.
        WriteError: it cannot be written for another reason, such as a full disk.
    """
    try:
        for line in lines:
            print(line)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # Python flushes once more when it ends, and would complain on its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise WriteError(f"The output cannot be written: {error.strerror or error}.") from error


def _complain(problem: str) -> None:
    """Print a sentence to standard error."""
    with suppress(OSError):
        print(f"opsin: {problem}", file=sys.stderr)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options. Words may stand before, between and behind options, as in `view` and `run`."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    lists = (getattr(options, name, None) for name in ("words", "paths"))
    words = next((one for one in lists if one is not None), None)
    if rest and (words is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if words is not None:
        words += rest
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opsin", description="Look at images of any size.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"opsin {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    view = commands.add_parser("view", help="open images in the browser", allow_abbrev=False)
    _add_viewing(view)
    view.add_argument("--no-browser", action="store_true", help="only print the address")
    view.set_defaults(run=_view)

    serve = commands.add_parser(
        "serve",
        help="show images to browsers and to other programs, as OME-Zarr",
        description="Show images to browsers and to other programs, as OME-Zarr, without opening "
        "a browser here.",
        allow_abbrev=False,
    )
    _add_viewing(serve)
    serve.add_argument(
        "--root",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="a folder below which images may be opened by name; may be given several times",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of this computer to listen at (default: 127.0.0.1, for this computer only)",
    )
    serve.set_defaults(run=_serve)

    info = commands.add_parser("info", help="say what an image is", allow_abbrev=False)
    info.add_argument("path", metavar="PATH", help="file, folder, http(s) or s3 address")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_info)

    snapshot = commands.add_parser(
        "snapshot", help="make a picture of an image, without a browser", allow_abbrev=False
    )
    snapshot.add_argument("path", metavar="PATH", help="file, folder, http(s) or s3 address")
    snapshot.add_argument("out", type=Path, metavar="OUT.png")
    snapshot.add_argument(
        "--size", type=values.dimensions, default=(512, 512), metavar="WxH", help="pixels"
    )
    snapshot.add_argument(
        "--center",
        type=values.point,
        metavar="Y,X",
        help="world position of the middle; of a volume Z,Y,X",
    )
    snapshot.add_argument(
        "--zoom", type=values.zoom, metavar="Z", help="picture pixels per world unit (default: fit)"
    )
    snapshot.add_argument(
        "--position",
        type=values.positions,
        default={},
        metavar="WHERE",
        help="world position on other axes, such as z=4.5,t=0 (default: the middle of z, t=0)",
    )
    snapshot.add_argument(
        "--level",
        type=int,
        metavar="K",
        help="level to draw (0 is the finest); of a volume the finest one",
    )
    snapshot.add_argument("--volume", action="store_true", help="draw the volume from outside")
    snapshot.add_argument(
        "--mode",
        metavar="MODE",
        help="how to draw a volume: mip, minip, average, translucent or iso (default: mip)",
    )
    snapshot.add_argument(
        "--rotate",
        type=values.angles,
        metavar="ANGLES",
        help="from where to look at a volume: degrees to the side, upwards and of roll, such as "
        "30,20 (default: along z)",
    )
    snapshot.add_argument(
        "--perspective",
        type=float,
        metavar="DEGREES",
        help="field of view of a volume, from top to bottom (default: 0, without perspective)",
    )
    snapshot.add_argument(
        "--clip",
        type=values.box,
        metavar="BOX",
        help="what to show of a volume, from low to high world positions along z, y and x, such as "
        "0:10,:,-5:40 (default: all)",
    )
    snapshot.add_argument(
        "--memory",
        type=values.size,
        metavar="SIZE",
        help="memory for a volume, such as 512M or 2G (default: 512M)",
    )
    snapshot.set_defaults(run=_snapshot)

    write = commands.add_parser(
        "write",
        help="write an image as OME-Zarr, with coarser levels",
        description="Write an image, and its labels, as OME-Zarr with coarser levels. A write that "
        "was stopped goes on when the same command is given again.",
        allow_abbrev=False,
    )
    write.add_argument("path", metavar="PATH", help="file, folder or http(s) address")
    write.add_argument("out", type=Path, metavar="OUT.ome.zarr")
    write.add_argument(
        "--levels", type=int, metavar="N", help="how many (default: until one fits into a chunk)"
    )
    write.add_argument(
        "--chunks",
        type=values.sizes,
        metavar="SIZES",
        help="pixels of a chunk along the axes that are halved, such as 512, or one number for "
        "each of the last axes, such as 64,256,256 (default: 512, or 64,128,128 with z)",
    )
    write.add_argument(
        "--shards",
        type=values.sizes,
        metavar="SIZES",
        help="pixels of a shard, a file of several chunks (default: each chunk is a file)",
    )
    write.add_argument(
        "--codec",
        metavar="NAME",
        help="blosc-lz4, blosc-zstd, zstd, gzip or none (default: blosc-lz4, for labels "
        "blosc-zstd)",
    )
    write.add_argument(
        "--ome",
        default="0.5",
        metavar="VERSION",
        help="version of OME-Zarr: 0.4, 0.5 or 0.6 (default: 0.5)",
    )
    write.add_argument(
        "--halve",
        default="yx",
        metavar="AXES",
        help="axes that are halved from level to level: yx or zyx (default: yx)",
    )
    write.add_argument(
        "--image",
        type=int,
        metavar="N",
        help="which one of several images, from 0 in the order of `opsin info` (default: the "
        "first, with its labels)",
    )
    write.add_argument(
        "--kind",
        choices=("image", "labels"),
        metavar="KIND",
        help="what the pixels are: image or labels (default: what the file says)",
    )
    write.add_argument(
        "--overwrite", action="store_true", help="replace a zarr that is there, at the end"
    )
    write.add_argument(
        "--columns",
        type=values.columns,
        default={},
        metavar="NAMES",
        help="of points: which columns hold positions, such as z=Z,y=Y,x=X (default: those that "
        "are called like it)",
    )
    write.add_argument(
        "--scale",
        type=values.positions,
        default={},
        metavar="FACTORS",
        help="of points: world units per unit of the columns, such as z=2,y=0.5,x=0.5 (default: 1)",
    )
    write.set_defaults(run=_write)

    run_command.add_to(commands, _say, _complain)
    plugins_command.add_to(commands, _say, _complain)
    envs_command.add_to(commands, _say)

    runs = commands.add_parser("runs", help="list what was run", allow_abbrev=False)
    runs.add_argument(
        "--last", type=int, default=20, metavar="N", help="how many are listed (default: 20)"
    )
    runs.add_argument("--json", action="store_true", help="all that was recorded of them, as JSON")
    runs.add_argument(
        "--log",
        nargs="?",
        const="",
        metavar="RUN",
        help="print all that the latest run, or this one, has printed",
    )
    runs.set_defaults(run=_runs)

    script = commands.add_parser(
        "script",
        help="write a Python script that repeats what was run",
        description="Write what was run, here, in the window or in napari, as a Python script. "
        "Runs that others took results from are part of it.",
        allow_abbrev=False,
    )
    script.add_argument(
        "ids", nargs="*", metavar="RUN", help="as `opsin runs` lists them (default: the latest)"
    )
    script.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="a file (default: it is printed)"
    )
    script.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    script.set_defaults(run=_script)
    return parser


def _add_viewing(parser: argparse.ArgumentParser) -> None:
    """Add what `view` and `serve` have in common."""
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="file, folder, http(s) or s3 address"
    )
    parser.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="PATH",
        help="the same, of labels that do not say so themselves, such as a mask in a TIFF; "
        "may be given several times",
    )
    parser.add_argument(
        "--memory",
        type=values.size,
        metavar="SIZE",
        help="memory for image data, such as 512M or 2G (default: a quarter of the memory, "
        "at most 2G)",
    )
    parser.add_argument(
        "--policy",
        default="explore",
        metavar="NAME",
        help="what is loaded first: explore (the default), playback, remote or low_memory",
    )
    parser.add_argument(
        "--disk-cache",
        metavar="DIR",
        help="where chunks that come over a network are kept for the next time "
        "(default: a folder of the user's caches); off: nowhere",
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port to listen at (default: a free one)"
    )
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a plugin to have at hand; may be given several times",
    )
    parser.add_argument(
        "--untrusted",
        action="store_true",
        help="run plugins only where they can be isolated from your files and the network",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PERMISSION",
        help="what a plugin may as long as this runs, such as fetcher.py:network, if it asks for "
        "it; may be given several times",
    )
    parser.add_argument(
        "--embed",
        action="append",
        default=[],
        type=values.origin,
        metavar="ORIGIN",
        help="let pages of this site, such as https://my.site, run plugins in themselves; "
        "may be given several times",
    )
    run_command.add_limits(parser)


def _view(options: argparse.Namespace) -> int:
    from opsin.serve_command import view

    if not options.paths and not options.labels:
        raise UsageError("There is nothing to view: name a PATH, see `opsin view --help`.")
    return view(options, say=_say, complain=_complain)


def _serve(options: argparse.Namespace) -> int:
    from opsin.serve_command import serve_all

    if not options.paths and not options.labels and not options.root:
        raise UsageError(
            "There is nothing to serve: name a PATH or a --root, see `opsin serve --help`."
        )
    return serve_all(options, say=_say, complain=_complain)


def _are_points(path: str) -> bool:
    """Whether there are points at an address, and not images."""
    from opsin.images.points.reader import holds_points
    from opsin.images.readers.address import Address

    return holds_points(Address.parse(path))


def _info(options: argparse.Namespace) -> int:
    import json

    from opsin.images.description import describe, describe_text
    from opsin.images.points.description import describe_points, describe_points_text
    from opsin.images.points.reader import open_points
    from opsin.images.readers import open_images

    if _are_points(options.path):
        with open_points(options.path) as points:
            if options.json:
                _say(json.dumps([describe_points(points)], indent=2, allow_nan=False))
            else:
                _say(describe_points_text(points))
        return 0
    try:
        images = open_images(options.path)
    except (NotFound, Unsupported) as error:  # a folder in a bucket is nothing by itself
        return _browse(options, error)
    try:
        if options.json:
            _say(json.dumps([describe(image) for image in images], indent=2, allow_nan=False))
        else:
            _say("\n\n".join(describe_text(image) for image in images))
    finally:
        for image in images:
            image.close()
    return 0


def _browse(options: argparse.Namespace, refusal: OpenError) -> int:
    """List what is inside of what is no image itself; raises the refusal if there is nothing."""
    import json

    from opsin.images.readers import browse
    from opsin.images.readers.node import describe_node, describe_node_text

    try:
        node = browse(options.path)
        inside = node.children
    except OpsinError:
        inside = ()
    if not inside:
        raise refusal
    if options.json:
        _say(json.dumps(describe_node(node), indent=2, allow_nan=False))
    else:
        _say(describe_node_text(node, str(options.path)))
    return 0


def _snapshot(options: argparse.Namespace) -> int:
    from opsin.snapshot_command import make_snapshot

    make_snapshot(options, points=_are_points(options.path), warn=_warn)
    return 0


def _write(options: argparse.Namespace) -> int:
    from opsin.write_command import write, write_table

    if _are_points(options.path):
        _check_options(options, OF_IMAGES, "points")
        given = {name: getattr(options, name) for name in ("columns", "scale", "overwrite")}
        return write_table(options.path, options.out, given, say=_say, complain=_complain)
    _check_options(options, OF_POINTS, "an image")
    names = ("levels", "chunks", "shards", "codec", "ome", "halve", "overwrite")
    return write(
        options.path,
        options.out,
        {name: getattr(options, name) for name in names},
        number=options.image,
        kind=options.kind,
        say=_say,
        complain=_complain,
    )


def _check_options(options: argparse.Namespace, others: Mapping[str, object], what: str) -> None:
    """Raise if an option is given that is for something else; `others` are such, with defaults."""
    for name, default in others.items():
        if getattr(options, name) != default:
            raise UsageError(f"--{name} is not for {what}: see `opsin write --help`.")


def _runs(options: argparse.Namespace) -> int:
    from opsin.script_command import list_runs, print_log

    if options.log is not None:
        return print_log(options.log, say=_say)
    return list_runs(options.last, json=options.json, say=_say)


def _script(options: argparse.Namespace) -> int:
    from opsin.script_command import write_script

    return write_script(options.ids, options.output, overwrite=options.overwrite, say=_say)


def _warn(images: Sequence[Image | Points]) -> None:
    """Print what was wrong with images that opened all the same."""
    for image in images:
        for warning in image.warnings:
            _complain(f"{image.name}: {warning}")
