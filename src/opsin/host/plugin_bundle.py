"""Plugin bundle: a plugin with all its packages in one file, for a computer without a network.

It is a ZIP file: `bundle.json` says for which Python and which kind of computer it is, `plugin/`
holds the plugin's file, `lock.txt` the versions of its packages with their hashes, and `wheels/`
those packages. What a bundle holds is used only where its hashes are those of the lock.
"""

from __future__ import annotations

import asyncio
import platform
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from opsin.errors import EnvironmentFailed, PluginError, UsageError, WriteError
from opsin.host.registry import Registered, read_registered
from opsin.host.workspace import Workspace
from opsin.images.draft import draft_name
from opsin.workers import wheelhouse
from opsin.workers.environment import lock, place_of_lock, prepare, python_fits
from opsin.workers.installer import Output

ENDING = ".opsin.zip"
NOTE, LOCK, PLUGIN, WHEELS = "bundle.json", "lock.txt", "plugin/", "wheels/"
MOST_FILES = 2000
MOST_TEXT = 8 << 20
MOST_BYTES = 64 << 30
"""Of all packages together; PyTorch for a GPU takes 3 GiB."""

Text = Annotated[str, msgspec.Meta(max_length=200)]


class BundleNote(msgspec.Struct, frozen=True):
    """For what a bundle is."""

    python: Text
    platform: Text
    plugin: Text
    opsin_bundle: Literal[1] = 1


async def write_bundle(
    plugin: Path, target: Path, workspace: Workspace, output: Output
) -> list[str]:
    """Write a plugin and its packages, as they are chosen for this kind of computer, into a file.

    Args:
        plugin: a typed Python file.
        target: a file that is not there yet.
        output: gets what is said while packages are fetched.

    Returns:
        The names of the wheels.

    Raises:
        EnvironmentFailed: a package cannot be had as a wheel.
        PluginError: that is no plugin.
        UsageError: only a file of Python can be bundled.
        WriteError: the file is there already, or cannot be written.
    """
    if plugin.suffix != ".py":
        raise UsageError(f"{plugin} cannot be bundled: only a typed Python file can.")
    read = read_registered(plugin)
    if read.plugin is None:
        raise PluginError(read.error or f"{plugin} is no plugin.")
    if not python_fits(read.plugin.python):
        raise EnvironmentFailed(
            f"{plugin.name} wants Python {read.plugin.python}: bundle it with an Opsin that runs "
            "in such a Python."
        )
    if await asyncio.to_thread(target.exists):
        raise WriteError(f"{target} exists already: choose another name, or remove it first.")
    locked = await lock(
        read.plugin.requirements,
        read.plugin.python,
        folder=workspace.environments,
        output=output,
    )
    note = BundleNote(*_own(), plugin.name)
    draft = target.with_name(draft_name(target.name))
    with tempfile.TemporaryDirectory(prefix="opsin-bundle-") as folder:
        await wheelhouse.fetch(locked, Path(folder), output)

        def write() -> list[str]:
            wheels = sorted(Path(folder).glob("*.whl"))
            # Wheels are compressed already.
            with zipfile.ZipFile(draft, "w") as file:
                file.writestr(NOTE, msgspec.json.encode(note))
                file.write(locked.file, LOCK)
                file.write(plugin, PLUGIN + plugin.name)
                for wheel in wheels:
                    file.write(wheel, WHEELS + wheel.name)
            draft.rename(target)
            return [wheel.name for wheel in wheels]

        try:
            return await asyncio.to_thread(write)
        except OSError as error:
            raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)


async def add_bundle(bundle: Path, workspace: Workspace, output: Output) -> Registered:
    """Know the plugin of a bundle from now on, and install its packages from it.

    Raises:
        EnvironmentFailed: the packages are not those of its lock, or not for this computer.
        PluginError: the file is damaged, or holds no plugin.
    """
    with tempfile.TemporaryDirectory(prefix="opsin-bundle-") as name:
        folder = Path(name)
        note = await asyncio.to_thread(_unpack, bundle, folder)
        own = _own()
        if (note.python, note.platform) != own:
            raise EnvironmentFailed(
                f"{bundle.name} was made for {note.python} on {note.platform}, and this is "
                f"{own[0]} on {own[1]}: make it on such a computer."
            )
        read = read_registered(folder / PLUGIN / note.plugin)
        if read.plugin is None:
            raise PluginError(f"{bundle.name}: {read.error or 'it holds no plugin.'}")
        wheels = sorted((folder / WHEELS).glob("*"))
        text = (folder / LOCK).read_text()
        await asyncio.to_thread(wheelhouse.check, wheels, text)
        requirements, python = read.plugin.requirements, read.plugin.python
        environments = workspace.environments
        locked = await place_of_lock(requirements, python, folder=environments, output=output)
        await asyncio.to_thread(wheelhouse.keep, wheels, locked, folder / LOCK)
        await prepare(requirements, python, folder=environments, output=output)
        kept = workspace.keep_plugin(note.plugin, (folder / PLUGIN / note.plugin).read_text())
    return read_registered(kept)


def _unpack(bundle: Path, folder: Path) -> BundleNote:
    """Everything that a bundle may hold, and nothing else."""
    try:
        with zipfile.ZipFile(bundle) as file:
            entries = file.infolist()
            if len(entries) > MOST_FILES or sum(one.file_size for one in entries) > MOST_BYTES:
                raise PluginError(f"{bundle.name} claims to hold far too much: it is not unpacked.")
            note = msgspec.json.decode(_text(file, NOTE), type=BundleNote)
            known = {NOTE, LOCK, PLUGIN + note.plugin}
            for entry in entries:
                wheel = entry.filename.removeprefix(WHEELS)
                if entry.filename in known:
                    _text(file, entry.filename)  # it is not too long
                elif not (entry.filename == WHEELS + wheel and wheelhouse.WHEEL.fullmatch(wheel)):
                    raise PluginError(f"{bundle.name} is no bundle: it holds {entry.filename!r}.")
            if "/" in note.plugin or not note.plugin.endswith(".py"):
                raise PluginError(f"{bundle.name} is no bundle: {note.plugin!r} is no plugin.")
            for name in known:
                file.getinfo(name)
            file.extractall(folder)
    except (zipfile.BadZipFile, msgspec.MsgspecError, KeyError, EOFError, NotImplementedError) as e:
        raise PluginError(f"{bundle.name} is no bundle, or a damaged one ({e}).") from None
    except OSError as error:
        raise PluginError(f"{bundle} cannot be read: {error.strerror or error}.") from error
    return note


def _text(file: zipfile.ZipFile, name: str) -> bytes:
    if file.getinfo(name).file_size > MOST_TEXT:
        raise PluginError(f"{name} of the bundle is too long for what it should be.")
    return file.read(name)


def _own() -> tuple[str, str]:
    """What decides which wheels fit: this Python, and the kind of this computer."""
    version = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {version}", sysconfig.get_platform()
