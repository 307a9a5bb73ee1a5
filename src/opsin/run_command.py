"""`opsin run`: a plugin in a terminal, an operation on images or a whole plugin of ImJoy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsin import option_values as values
from opsin.errors import UsageError

Say = Callable[[str], None]


def add_to(commands: Any, say: Say, complain: Say) -> None:
    """Add `run` to the commands of a parser."""
    run = commands.add_parser(
        "run",
        help="run an operation of a plugin on images",
        description="Run an operation of a plugin on images, each plane or volume that it works on "
        "in turn. Parameters are given as name=value.",
        allow_abbrev=False,
    )
    run.add_argument(
        "operation",
        metavar="FILE:OPERATION",
        help="such as nuclei.py:nuclei, or napari:NAME:OPERATION of an installed plugin of napari",
    )
    run.add_argument(
        "words",
        nargs="*",
        metavar="INPUT|name=value",
        help="images, points and tables, and values of parameters",
    )
    run.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        type=Path,
        metavar="OUT",
        help="where to write the result: .ome.zarr for an image, .csv or .parquet for a table; "
        "once for each result that the operation gives; of an ImJoy plugin, the folder for files "
        "that it gives",
    )
    run.add_argument(
        "--level", type=int, default=0, metavar="K", help="level to work on (0, the finest)"
    )
    run.add_argument(
        "--channel", metavar="C", help="name or number of a channel (default: each of them)"
    )
    run.add_argument(
        "--axes",
        default="",
        metavar="AXES",
        help="what each call gets, such as zyx, if the operation declares no axes (default: yx)",
    )
    run.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PERMISSION",
        help="what the plugin may in this run, if it asks for it: network, gpu or files=FOLDER; "
        "may be given several times",
    )
    run.add_argument(
        "--anew",
        action="store_true",
        help="compute it, even if a verified operation was given the same before",
    )
    run.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="ANSWER",
        help="of an ImJoy plugin: what to answer when it asks, as QUESTION=ANSWER with a part of "
        "the question's words, or for all questions; may be given several times",
    )
    add_limits(run)
    run.set_defaults(run=lambda options: _run(options, say, complain))


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what runs of plugins are granted."""
    parser.add_argument(
        "--time-limit",
        type=values.seconds,
        metavar="SECONDS",
        help="end a run that takes longer (default: none does)",
    )
    parser.add_argument(
        "--memory-limit",
        type=values.memory,
        metavar="SIZE",
        help="memory that a plugin may take in a run, such as 4G (default: all that there is)",
    )


def _run(options: argparse.Namespace, say: Say, complain: Say) -> int:
    from opsin.host.imjoy.added import is_imjoy_source

    if is_imjoy_source(options.operation):
        return _run_imjoy(options, say, complain)
    if not options.output:
        raise UsageError("Say where the result goes: -o OUT.")
    if options.answer:
        raise UsageError("--answer is for plugins of ImJoy: others ask nothing.")
    from opsin.console import run_operation

    return run_operation(
        options.operation,
        options.words,
        options.output,
        level=options.level,
        channel=options.channel,
        axes=options.axes,
        allow=options.allow,
        anew=options.anew,
        time_limit=options.time_limit,
        memory_limit=options.memory_limit,
        say=say,
        complain=complain,
    )


def _run_imjoy(options: argparse.Namespace, say: Say, complain: Say) -> int:
    from opsin.imjoy_console import run_plugin

    if options.anew:
        raise UsageError(
            "--anew is for operations, whose results are kept: plugins of ImJoy are none."
        )
    if len(options.output) > 1:
        raise UsageError("A plugin of ImJoy has one folder for the files that it gives.")
    return run_plugin(
        options.operation,
        options.words,
        level=options.level,
        channel=options.channel,
        axes=options.axes,
        folder=options.output[0] if options.output else None,
        answers=options.answer,
        allow=options.allow,
        time_limit=options.time_limit,
        memory_limit=options.memory_limit,
        say=say,
        complain=complain,
    )
