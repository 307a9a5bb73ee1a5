"""`opsin envs`: the environments of plugins, what they take, and where packages come from."""

from __future__ import annotations

import argparse
import json as json_text
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsin.errors import UsageError
from opsin.option_values import age, size

if TYPE_CHECKING:
    from opsin.workers.kept_environments import Kept

Say = Callable[[str], None]

UNUSED = "30d"
"""What has not been used for so long goes, if nothing else is said."""
MIB, GIB = 2**20, 2**30


def add_to(commands: Any, say: Say) -> None:
    """Add `envs` to the commands of a parser."""
    envs = commands.add_parser(
        "envs",
        help="list environments of plugins, remove unused ones, say where packages come from",
        description="The environments in which plugins run, each shared by all plugins that need "
        "the same packages.",
        allow_abbrev=False,
    )
    actions = envs.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="list them, the last used first", allow_abbrev=False)
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=lambda options: _list(options.json, say))
    clean = actions.add_parser(
        "clean",
        help="remove those that are not used",
        description="Remove environments that are not used. They are made again where a plugin "
        "needs them, with the same versions. One that a plugin runs in now stays.",
        allow_abbrev=False,
    )
    clean.add_argument(
        "--older-than",
        type=age,
        metavar="AGE",
        help=f"those not used for so long (default: {UNUSED})",
    )
    clean.add_argument(
        "--max-size", type=size, metavar="SIZE", help="and until the rest takes at most so much"
    )
    clean.add_argument("--all", action="store_true", help="all of them")
    clean.add_argument(
        "--locks", action="store_true", help="also forget which versions were chosen"
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    clean.set_defaults(run=lambda options: _clean(options, say))
    sources = actions.add_parser(
        "sources",
        help="say, or set, where packages come from",
        description="Where the packages of plugins come from. Without options it is only said.",
        allow_abbrev=False,
    )
    sources.add_argument("--index", metavar="URL", help="the index in place of PyPI")
    sources.add_argument(
        "--find-links", action="append", metavar="DIR", help="a folder of wheels to look at as well"
    )
    network = sources.add_mutually_exclusive_group()
    network.add_argument("--offline", dest="offline", action="store_true", help="fetch nothing")
    network.add_argument("--online", dest="offline", action="store_false", help="fetch again")
    sources.add_argument(
        "--torch", metavar="BUILD", help="the build of PyTorch: auto, cpu, or one like cu128"
    )
    sources.add_argument("--reset", action="store_true", help="forget all that was set")
    sources.set_defaults(run=lambda options: _sources(options, say), offline=None)


def _list(json: bool, say: Say) -> int:
    from opsin.workers.kept_environments import kept

    there = kept(_folder())
    if json:
        say(json_text.dumps([_entry(one) for one in there], indent=2))
        return 0
    if not there:
        say("No plugin has needed an environment of its own yet.")
        return 0
    for one in there:
        say(_line(one))
    own = sum(one.own for one in there)
    say(f"{len(there)} environments; without them {_bytes(own)} more would be free.")
    return 0


def _clean(options: argparse.Namespace, say: Say) -> int:
    from opsin.workers.kept_environments import forget_locks, kept, remove, to_remove
    from opsin.workers.repositories import forget as forget_repositories

    folder = _folder()
    there = kept(folder)
    older = options.older_than
    if options.all:
        if older is not None or options.max_size is not None:
            raise UsageError("All, or some: leave out --all, or --older-than and --max-size.")
        older = 0.0
    elif older is None and options.max_size is None:
        older = age(UNUSED)
    going = to_remove(there, time.time(), older=older, most=options.max_size)
    if not options.dry_run:
        going = [one for one in going if remove(one)]
    for one in going:
        say(_line(one))
    word = "would be removed" if options.dry_run else "removed"
    freed = _bytes(sum(one.own for one in going))
    say(f"{len(going)} of {len(there)} environments {word}, {freed} of the disk.")
    if options.locks and not options.dry_run:
        say(f"{forget_locks(folder)} locks forgotten: the newest versions that fit come next.")
        forget_repositories(folder)
    return 0


def _sources(options: argparse.Namespace, say: Say) -> int:
    import msgspec

    from opsin.workers.package_sources import PackageSources, read_sources, write_sources

    folder = _folder()
    given = {
        "index": options.index,
        "find_links": None if options.find_links is None else tuple(options.find_links),
        "offline": options.offline,
        "torch": options.torch,
    }
    given = {name: value for name, value in given.items() if value is not None}
    sources = PackageSources() if options.reset else read_sources(folder)
    if given or options.reset:
        sources = msgspec.structs.replace(sources, **given).checked()
        write_sources(folder, sources)
    for line in sources.lines():
        say(line)
    return 0


def _folder() -> Path:
    from opsin.host.workspace import Workspace

    workspace = Workspace()
    workspace.close()
    return workspace.environments


def _line(one: Kept) -> str:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.used))
    state = "in use" if one.busy else "" if one.whole else "unfinished"
    if one.kept_for:
        state = state or "kept"
    asked = ", ".join(one.asked) or f"{one.packages} packages"
    return f"{one.key}  {used}  {_bytes(one.bytes):>9}  {state:10}  {asked}"


def _entry(one: Kept) -> dict[str, Any]:
    return {
        "key": one.key,
        "path": str(one.home),
        "requirements": list(one.asked),
        "packages": one.packages,
        "used": one.used,
        "bytes": one.bytes,
        "own_bytes": one.own,
        "in_use": one.busy,
        "kept_for": list(one.kept_for),
        "complete": one.whole,
    }


def _bytes(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / MIB:.1f} MiB"
