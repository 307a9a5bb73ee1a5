"""`opsin plugins`: which there are, plugins from PyPI, what they are allowed, and other formats."""

from __future__ import annotations

import argparse
import asyncio
import json as json_text
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsin.errors import UsageError, WriteError
from opsin.option_values import PLUGIN_FORMS, PLUGIN_TEMPLATES

if TYPE_CHECKING:
    from opsin.host.registry import Registered
    from opsin.host.workspace import Workspace
    from opsin.plugins.conversion import Form
    from opsin.plugins.manifest import Plugin
    from opsin.plugins.new_plugin import Template

Say = Callable[[str], None]

WORDS = {
    "list": ("",),
    "new": ("FILE",),
    "check": ("FILE",),
    "show": ("PLUGIN",),
    "add": ("NAME",),
    "remove": ("NAME",),
    "update": ("NAME",),
    "convert": ("IN OUT",),
    "bundle": ("FILE OUT",),
    "permissions": ("", "PLUGIN"),
}
"""What stands behind each action."""


def add_to(commands: Any, say: Say, complain: Say) -> None:
    """Add `plugins` to the commands of a parser."""
    plugins = commands.add_parser(
        "plugins",
        help="list plugins, add one, say what it may, write one in another format or as a bundle",
        description="List the plugins that are at hand (`list`), write one to start from "
        "(`new FILE.py`), try one out (`check FILE.py`), print what is known of it without running "
        "it (`show PLUGIN`), keep a file (`add FILE.py`) or a plugin of ImJoy "
        "(`add USER/REPO:NAME`, its address, or `itk-vtk-viewer`), fetch that anew "
        "(`update NAME`), have a plugin of napari from PyPI in an environment of its own "
        "(`add NAME`), forget one (`remove NAME`), say what plugins are allowed "
        "(`permissions [PLUGIN]`), write a plugin in another format (`convert IN OUT`), or with "
        "all its packages for a computer without a network (`bundle FILE OUT.opsin.zip`, and there "
        "`add OUT.opsin.zip`).",
        allow_abbrev=False,
    )
    plugins.add_argument("action", choices=list(WORDS), metavar="ACTION")
    plugins.add_argument(
        "words",
        nargs="*",
        metavar="NAME|IN OUT",
        help="what to add, remove, allow something, convert or bundle, and to what",
    )
    plugins.add_argument(
        "--template",
        choices=list(PLUGIN_TEMPLATES),
        metavar="NAME",
        help="of new: what its operation gives, filter (an image), labels, points or table; of a "
        ".imjoy.html what runs it, window, web-worker, web-python, native-python or collection; "
        "or stub, of a .pyi (default: the first of these that FILE is named like)",
    )
    plugins.add_argument(
        "--functional",
        action="store_true",
        help="of check: fail unless each operation is a pure function of what it is given",
    )
    plugins.add_argument(
        "--to",
        choices=PLUGIN_FORMS,
        metavar="FORMAT",
        help="what to convert to: py, imjoy or npe2 (default: what OUT is named like)",
    )
    plugins.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PERMISSION",
        help="of permissions: what the plugin may from now on, network, gpu or files=FOLDER; may "
        "be given several times",
    )
    plugins.add_argument(
        "--revoke",
        action="append",
        default=[],
        metavar="PERMISSION",
        help="of permissions: what it may not any more, network, gpu, files or all",
    )
    plugins.add_argument("--json", action="store_true", help="print JSON")
    plugins.set_defaults(run=lambda options: _run(options, say, complain))


def _run(options: argparse.Namespace, say: Say, complain: Say) -> int:
    action, words, json = options.action, options.words, options.json
    wanted = WORDS[action]
    if len(words) not in {len(one.split()) for one in wanted}:
        raise UsageError(f"Write it as `opsin plugins {f'{action} {wanted[-1]}'.rstrip()}`.")
    if (options.allow or options.revoke) and (action != "permissions" or not words):
        raise UsageError(
            "--allow and --revoke are for `opsin plugins permissions PLUGIN`: name the plugin."
        )
    if action == "list":
        return _list(json, say)
    if action == "check":
        from opsin.check_command import check

        return check(Path(words[0]), functional=options.functional, json=json, say=say)
    if action == "show":
        return _show(words[0], json, say)
    if action == "new":
        return _new(Path(words[0]), options.template, say)
    if action == "convert":
        return _convert(words[0], Path(words[1]), options.to, say, complain)
    if action == "permissions":
        from opsin.permissions_command import permissions

        return permissions(
            words[0] if words else None, options.allow, options.revoke, json=json, say=say
        )
    return _keep(action, words, say)


def _new(path: Path, template: Template | None, say: Say) -> int:
    """Write a plugin's file, and say what to do with it."""
    from opsin.plugins.formats import read_plugin
    from opsin.plugins.new_plugin import write_new

    write_new(path, template)
    plugin = read_plugin(path)
    (operation,) = plugin.operations
    say(f"{path}  {operation.title}")
    if path.suffix == ".html":
        if plugin.kind == "native-python":
            say(f"  run it:         opsin run {path}")
        say(f"  in the window:  opsin view IMAGE --plugin {path}")
        return 0
    images = " ".join(f"{one.name}=FILE" for one in operation.inputs)
    given = "IMAGE" if len(operation.inputs) == 1 else images
    out = "out.csv" if operation.outputs[0].kind in ("table", "points") else "out.ome.zarr"
    say(f"  run it:         opsin run {path}:{operation.name} {given} -o {out}")
    say(f"  in the window:  opsin view IMAGE --plugin {path}")
    return 0


def _show(address: str, json: bool, say: Say) -> int:
    """Print what is known of a plugin without running it: as words, or its manifest as JSON."""
    from opsin.plugins.formats import read_plugin
    from opsin.plugins.manifest import encode

    plugin = read_plugin(address)
    if json:
        say(json_text.dumps(json_text.loads(encode(plugin)), indent=2, ensure_ascii=False))
    else:
        say("\n".join([f"{address}  {_title(plugin)}", *_operations(plugin)]))
    return 0


def _keep(action: str, words: Sequence[str], say: Say) -> int:
    """Add, remove or bundle a plugin."""
    from opsin.host.added_plugins import add_file, add_from_index, remove_added
    from opsin.host.imjoy import added
    from opsin.host.imjoy.added import is_imjoy_source
    from opsin.host.plugin_bundle import ENDING, add_bundle, write_bundle
    from opsin.host.workspace import Workspace
    from opsin.permissions_command import ask

    workspace = Workspace()
    try:
        if action == "bundle":
            target = Path(words[1])
            if not target.name.endswith(ENDING):
                raise UsageError(f"{target} is no name for a bundle: let it end with {ENDING}.")
            bundled = write_bundle(Path(words[0]), target, workspace, _print_line)
            packages = asyncio.run(bundled)
            say(f"{target}  {len(packages)} packages, {target.stat().st_size / 2**20:.1f} MiB")
        elif action == "add" and words[0].endswith(ENDING):
            found = asyncio.run(add_bundle(Path(words[0]), workspace, _print_line))
            say(f"{found.address}  {_title(found.plugin)}")
            ask(found, workspace, say)
        elif action == "add":
            path = Path(words[0])
            if is_imjoy_source(words[0]):
                found = asyncio.run(added.add(workspace, words[0]))
            elif path.is_file() or path.suffix in (".py", ".pyi", ".html"):
                found = add_file(workspace, path)
            else:
                found = asyncio.run(add_from_index(workspace, words[0], _print_line))
            say(f"{found.address}  {_title(found.plugin)}")
            ask(found, workspace, say)
        elif action == "update":
            found = asyncio.run(added.update(workspace, _kept(workspace, words[0])))
            say(f"{found.address}  {_title(found.plugin)}")
        else:
            remove_added(workspace, words[0])
    finally:
        workspace.close()
    return 0


def _kept(workspace: Workspace, name: str) -> Registered:
    """A plugin of the workspace by the name of its file, or its own."""
    from opsin.host.registry import read_registered

    for path in workspace.kept_files():
        found = read_registered(path)
        if name in (path.name, path.name.removesuffix(".imjoy.html")) or (
            found.plugin is not None and found.plugin.name == name
        ):
            return found
    raise UsageError(f"No plugin called {name} was added here.")


def _print_line(line: str) -> None:
    """What the installer says, as it says it."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


def _list(json: bool, say: Say) -> int:
    """Print all plugins that are at hand: those of napari, and those kept in the workspace."""
    from opsin.host.registry import Registry, read_registered
    from opsin.host.workspace import Workspace
    from opsin.plugins.installed import installed

    registry = Registry()
    addresses = {}
    for plugin in installed():
        found = registry.put(read_registered(plugin.source))
        addresses[found.id] = plugin.source
    workspace = Workspace()
    try:
        for path in workspace.plugin_files():
            registry.add(path)
    finally:
        workspace.close()
    if json:
        say(json_text.dumps([_entry(one) for one in registry.all()], indent=2))
        return 0
    blocks = [_text(one, addresses.get(one.id, one.address)) for one in registry.all()]
    say("\n\n".join(blocks) if blocks else "There are no plugins here yet.")
    return 0


def _text(one: Registered, address: str) -> str:
    if one.plugin is None:
        return f"{address}\n  {one.error}"
    return "\n".join([f"{address}  {_title(one.plugin)}", *_operations(one.plugin)])


def _operations(plugin: Plugin) -> list[str]:
    """A line for each operation."""
    width = max((len(operation.name) for operation in plugin.operations), default=0)
    lines = []
    for operation in plugin.operations:
        title = f"{operation.title} (not here: {operation.refused})" if operation.refused else ""
        lines.append(f"  {operation.name:{width}}  {title or operation.title}")
    return lines


def _title(plugin: Plugin | None) -> str:
    if plugin is None:
        return ""
    return plugin.name if plugin.version == "0" else f"{plugin.name} {plugin.version}"


def _entry(one: Registered) -> dict[str, Any]:
    """A plugin as JSON: its manifest, or why there is none."""
    import msgspec

    known: dict[str, Any] = {"address": one.address, "error": one.error}
    if one.plugin is not None:
        known |= msgspec.to_builtins(one.plugin)
    return known


def _convert(source: str, target: Path, to: Form | None, say: Say, complain: Say) -> int:
    """Write a plugin in another format; says what could not be carried over."""
    from opsin.images.draft import draft_name
    from opsin.plugins.conversion import convert

    if target.exists() or target.is_symlink():
        raise WriteError(f"{target} exists already: choose another name, or remove it first.")
    made = convert(source, str(target), to)
    draft = target.with_name(draft_name(target.name))
    try:
        for name, text in made.files.items():
            path = draft / name if name else draft
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        draft.rename(target)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
    say(str(target))
    for sentence in made.left_out:
        complain(sentence)
    return 0
