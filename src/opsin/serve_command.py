"""Serve command: images to a browser here (`opsin view`), or to all who have the token."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from platformdirs import user_cache_path

from opsin.chunks.cache import default_budget
from opsin.chunks.disk_cache import DiskCache
from opsin.chunks.policy import policy_named
from opsin.errors import OpsinError, UsageError
from opsin.host.permissions import NAMES, Allowed, from_words
from opsin.host.registry import Registered
from opsin.host.workspace import Workspace
from opsin.images.image import Image, Kind
from opsin.images.points import Points
from opsin.images.points.reader import holds_points, open_points
from opsin.images.readers import open_images
from opsin.images.readers.address import Address
from opsin.images.write.codec import CodecName
from opsin.permissions_command import plugin_named
from opsin.plugins.formats import read_plugin
from opsin.server.launch import HERE, bind, is_loopback, make_token, serve
from opsin.server.roots import Roots
from opsin.server.session import Session
from opsin.workers.isolation.launch import level_for
from opsin.workers.isolation.sandbox import Sandbox
from opsin.workers.supervision import Supervision

NO_PLUGINS = "No plugins run on this server, because other computers can reach it."
NOT_ISOLATED = (
    "No plugins run here, because they are not trusted and nothing can isolate them on this "
    "computer: install bubblewrap (Linux), or leave out --untrusted."
)

Say: TypeAlias = Callable[[str], None]


def view(options: argparse.Namespace, *, say: Say, complain: Say) -> int:
    """Show images in a browser until that is stopped; the exit status.

    Raises:
        UsageError: an option makes no sense.
    """
    browser = not options.no_browser
    return _run(
        options, "shows", HERE, Roots(), browser=browser, own=True, say=say, complain=complain
    )


def serve_all(options: argparse.Namespace, *, say: Say, complain: Say) -> int:
    """Serve images, and what lies below roots, until that is stopped; the exit status.

    Raises:
        UsageError: an option makes no sense.
    """
    roots = Roots(options.root)
    return _run(
        options, "serves", options.host, roots, browser=False, own=False, say=say, complain=complain
    )


def _run(
    options: argparse.Namespace,
    does: str,
    host: str,
    roots: Roots,
    *,
    browser: bool,
    own: bool,
    say: Say,
    complain: Say,
) -> int:
    """Serve until that is stopped. `own`: pages are of whoever starts this, and decide as they."""
    policy, near = policy_named(options.policy), is_loopback(host)
    if options.plugin and not near:
        raise UsageError(f"{NO_PLUGINS[:-1]}: leave out --plugin or --host.")
    if options.allow and not near:
        raise UsageError(f"{NO_PLUGINS[:-1]}: leave out --allow or --host.")
    if options.embed and not near:
        raise UsageError(f"{NO_PLUGINS[:-1]}: leave out --embed or --host.")
    allowed = [_allowed(text) for text in options.allow]
    granted = Supervision.given().but(time=options.time_limit, memory=options.memory_limit)
    no_plugins = None if near else NO_PLUGINS
    if options.untrusted and not level_for(Sandbox()).is_isolated:
        no_plugins = no_plugins or NOT_ISOLATED
        complain(NOT_ISOLATED)
    token, listener = make_token(), bind(options.port, host)
    groups: list[tuple[Image, ...] | Points] = []
    problems: list[str] = []
    for opened in _opened(options):
        if isinstance(opened, OpsinError):
            problems.append(str(opened))
            complain(str(opened))
            continue
        groups.append(opened)
        for one in _each(opened):
            for warning in one.warnings:
                complain(f"{one.name}: {warning}")
    if not groups and not roots.folders:
        listener.close()
        return 1
    for plugin in options.plugin:
        try:
            read_plugin(plugin)
        except OpsinError as error:  # the page says it too
            complain(str(error))
    if not near:
        complain(
            f"With --host {host} other computers can reach this server: whoever has the token sees "
            "these images, and the connection is not encrypted."
        )
    codec: CodecName = "none" if near else "zstd"
    session = Session(
        groups,
        options.memory or default_budget(),
        notices=problems,
        plugins=options.plugin,
        policy=policy,
        disk_cache=_disk_cache(options.disk_cache, groups, complain),
        roots=roots,
        codec=codec,
        no_plugins=no_plugins,
        own=own,
        trusting=not options.untrusted,
        allowed=allowed,
        supervision=granted,
    )
    names = [one.name for group in groups for one in _each(group)]
    names += [f"what lies below {folder}" for folder in roots.folders.values()]
    say(f"Opsin {does} {', '.join(names)}. Ctrl-C stops it.")
    embedders = tuple(dict.fromkeys(options.embed))
    serve(
        session,
        listener,
        token=token,
        browser=browser,
        announce=say,
        host=host,
        embedders=embedders,
    )
    return 0


def _allowed(text: str) -> tuple[Registered, Allowed]:
    """A plugin, and what it may, from `nuclei.py:network` or `nuclei.py:files=/data`.

    Raises:
        UsageError, PluginError: there is no such plugin, or it does not ask for that.
    """
    found = re.fullmatch(rf"(.+?):((?:{'|'.join(NAMES)})(?:=.*)?)", text)
    if found is None:
        raise UsageError(f"{text!r} is not like nuclei.py:network: see `opsin serve --help`.")
    workspace = Workspace()
    try:
        registered = plugin_named(found[1], workspace)
    finally:
        workspace.close()
    assert registered.plugin is not None  # else it has been said
    return registered, from_words(registered.plugin, [found[2]])


def _each(opened: tuple[Image, ...] | Points) -> Sequence[Image | Points]:
    return (opened,) if isinstance(opened, Points) else opened


def _opened(options: argparse.Namespace) -> Iterator[tuple[Image, ...] | Points | OpsinError]:
    """The images or points at each path, or why it cannot be opened."""
    asked: list[tuple[str, Kind | None]] = [(path, None) for path in options.paths]
    asked += [(path, "labels") for path in options.labels]
    for path, kind in asked:
        try:
            if kind is None and holds_points(Address.parse(path)):
                yield open_points(path)
            else:
                yield open_images(path, kind=kind)
        except OpsinError as error:
            yield error


def _disk_cache(
    where: str | None, groups: Sequence[tuple[Image, ...] | Points], complain: Say
) -> DiskCache | None:
    """The disk cache that was asked for, or the user's own; None if nothing comes from far away.

    Raises:
        UsageError: the folder that was asked for cannot be used.
    """
    far = any(one.source.provenance == "network" for group in groups for one in _each(group))
    if not far or where == "off":
        return None
    if where is not None:
        return DiskCache(Path(where).expanduser())
    given = os.environ.get("OPSIN_CACHE")
    try:
        return DiskCache((Path(given) if given else user_cache_path("opsin", False)) / "chunks")
    except UsageError as error:  # nobody asked for it
        complain(str(error))
        return None
