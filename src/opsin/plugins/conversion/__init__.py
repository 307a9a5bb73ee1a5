"""Conversion: a plugin in one way of writing, as files in another. No code of a plugin is run.

What cannot be carried over is named, and what would not work without it is not made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from opsin.errors import PluginError, UsageError
from opsin.plugins.address import NAPARI
from opsin.plugins.conversion.converted import Converted
from opsin.plugins.conversion.imjoy_file import asked_for_since, from_imjoy, to_imjoy
from opsin.plugins.conversion.imjoy_python import from_imjoy_python
from opsin.plugins.conversion.napari_wrapper import from_npe2
from opsin.plugins.conversion.npe2_package import KEPT, to_npe2
from opsin.plugins.conversion.python_source import PythonSource
from opsin.plugins.formats import read_plugin
from opsin.plugins.formats.npe2.document import SUFFIXES
from opsin.plugins.installed import place_of

Form: TypeAlias = Literal["py", "imjoy", "npe2"]

IMJOY = ".imjoy.html"
LARGEST_FILE = 2**20


def convert(source: str, target: str, to: Form | None = None) -> Converted:
    """A plugin as files of another format.

    Args:
        source: its file, the folder of its package, or `napari:NAME`.
        target: what the result will be called: `.py`, `.imjoy.html`, or a folder for a package.
        to: the format; None: that which `target` is called like.

    Raises:
        PluginError: it cannot be understood, or not be converted.
        UsageError: there is nothing to do.
    """
    wanted, given = to or form_of(target), source_form(source)
    notes: tuple[str, ...] = ()
    if wanted == given:
        raise UsageError(f"{source} is a plugin of that kind already: there is nothing to convert.")
    if given == "py":
        python = PythonSource.read(Path(source))
    elif given == "imjoy":
        text = _text(Path(source))
        typed = from_imjoy(text, source)
        if typed is not None:
            python, notes = typed, asked_for_since(text, typed)
        else:
            python, notes = from_imjoy_python(text, source)
    else:
        if wanted == "imjoy":
            raise PluginError(
                f"{source} calls napari's packages: convert it to .py first, and that to ImJoy."
            )
        kept = place_of(_manifest(source)).with_name(KEPT)
        if kept.is_file():
            text = PythonSource.of(_text(kept), source).text
            return Converted({"": text}, ("This is the file of which the package was made.",))
        return from_npe2(read_plugin(_manifest(source)))
    if wanted == "npe2":
        made = to_npe2(python, Path(target).name)
        return Converted(made.files, (*notes, *made.left_out))
    if wanted == "imjoy":
        return to_imjoy(python)
    return Converted({"": python.text}, notes)


def form_of(target: str) -> Form:
    """The format that a file or folder of this name is written in."""
    name = re.split(r"[/\\]", target.rstrip("/\\"))[-1].lower()
    if name.endswith(IMJOY):
        return "imjoy"
    if name.endswith(".py"):
        return "py"
    if "." in name:
        kinds = ", ".join(get_args(Form))
        raise UsageError(f"{target} does not say what it is to be: give --to, one of {kinds}.")
    return "npe2"


def source_form(source: str) -> Form:
    """The format that a plugin is written in.

    Raises:
        PluginError: it is none of them.
    """
    if source.startswith(NAPARI):
        return "npe2"
    path = Path(source)
    if not path.exists():
        raise PluginError(f"There is no plugin at {source}.")
    if path.name.lower().endswith(IMJOY):
        return "imjoy"
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return "npe2"
    if path.suffix.lower() == ".py":
        return "py"
    raise PluginError(f"{source} is no plugin that can be converted: .py, {IMJOY} or a package.")


def _manifest(source: str) -> str:
    """The manifest of a package's folder; what is none already stays."""
    path = Path(source)
    if source.startswith(NAPARI) or not path.is_dir():
        return source
    found = sorted(one for one in path.rglob("napari.*") if one.suffix in SUFFIXES)
    if not found:
        raise PluginError(f"{source} is no package of a napari plugin: it has no napari.yaml.")
    return str(found[0])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise PluginError(f"{path} is larger than 1 MiB.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise PluginError(f"{path} is no text.") from error
